-- Every mail is written down before it is sent and noted as sent afterwards, which changes nothing that is indexed.
ALTER TABLE mail_message SET (fillfactor = 70);
