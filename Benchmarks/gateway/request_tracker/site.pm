# RT_SiteConfig.pm of the measurement: what its manual asks to be set, and a cheap hash for tokens.
Set($rtname, 'bench');
Set($Organization, 'bench.example');
Set($WebDomain, '127.0.0.1');
Set($WebPort, @port@);
Set($DatabaseType, 'Pg');
Set($DatabaseHost, '@database@');
Set($DatabasePort, '');
Set($DatabaseName, 'rt');
Set($DatabaseUser, 'rt');
Set($DatabasePassword, '');
Set($BcryptCost, 4);
Set($SendmailPath, '/bin/true');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
$RT::MasonDataDir = '@place@/mason';
1;
