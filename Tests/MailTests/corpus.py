"""Mails as they come in, each with what is to be read in it.

Prints a JSON list of {"name", "mail" (base64), "expected"}. The mails are written by hand or with Python's own e-mail
package, so Handoff's reader is held against another's writer. A key that `expected` does not have is not looked at.
"""

import base64
import email.charset
import email.header
import email.policy
import email.utils
import json
import unicodedata
from email.message import EmailMessage

CASES = []


def case(name, mail, **expected):
    if isinstance(mail, str):
        mail = mail.encode("utf-8", "surrogateescape")
    CASES.append({"name": name, "mail": base64.b64encode(mail).decode(), "expected": expected})


def crlf(text):
    return text.replace("\r\n", "\n").replace("\n", "\r\n")


HEAD = "From: Kim <kim@example.com>\nTo: care@shop.example\nSubject: {subject}\nMessage-ID: <{id}@example.com>\n"


def raw(body, headers="", subject="Question", id="a1"):
    """A mail out of header lines and a body, which may be bytes."""
    head = crlf(HEAD.format(subject=subject, id=id) + headers.strip("\n") + ("\n" if headers.strip("\n") else "") + "\n")
    return head.encode("utf-8") + (body if isinstance(body, bytes) else crlf(body).encode("utf-8"))


def encoded(text, charset, label=None, encoding="b"):
    """A text as an encoded word."""
    data = text.encode(charset)
    if encoding == "b":
        return f"=?{label or charset}?B?{base64.b64encode(data).decode()}?="
    quoted = "".join(chr(b) if chr(b).isalnum() and b < 128 else "=%02X" % b for b in data)
    return f"=?{label or charset}?Q?{quoted}?="


KOREAN = "안녕하세요. 주문한 상품이 아직 안 왔어요."
JAPANESE = "こんにちは。注文した商品がまだ届きません。"
CHINESE = "您好，我订购的商品还没有到。"
GERMAN = "Größe, Übergröße und Preis: 20 € – „bitte“"

# Charsets of bodies and subjects: Python's name, the label in the mail, the text.
CHARSETS = [
    ("utf-8", "utf-8", KOREAN),
    ("utf-8", "UTF8", KOREAN),
    ("euc_kr", "euc-kr", KOREAN),
    ("cp949", "cp949", "똠방각하 펲시콜라 햏"),
    ("cp949", "ks_c_5601-1987", "똠방각하 펲시콜라 햏"),
    ("cp949", "euc-kr", "뷁 똠방각하, 쀍"),
    ("iso2022_kr", "iso-2022-kr", KOREAN),
    ("iso2022_jp", "iso-2022-jp", JAPANESE),
    ("shift_jis", "Shift_JIS", JAPANESE),
    ("cp932", "shift_jis", "①㈱髙島屋からの問い合わせです"),
    ("euc_jp", "euc-jp", JAPANESE),
    ("gb18030", "gb18030", CHINESE + "㐀𠀀"),
    ("gbk", "gb2312", "朱镕基先生，您好"),
    ("big5", "big5", "您好，我訂購的商品還沒有到。"),
    ("cp1252", "windows-1252", GERMAN),
    ("cp1252", "iso-8859-1", GERMAN),
    ("latin-1", "iso-8859-1", "Café déjà vu"),
    ("iso8859_15", "iso-8859-15", "Preis: 20 €"),
    ("cp1251", "windows-1251", "Здравствуйте, где моя посылка?"),
    ("koi8_r", "koi8-r", "Здравствуйте, где моя посылка?"),
    ("cp1250", "windows-1250", "Dobrý den, kde je můj balík?"),
    ("cp1253", "windows-1253", "Καλημέρα σας"),
    ("cp1254", "windows-1254", "Günaydın, şikâyetim var"),
    ("cp1255", "windows-1255", "שלום, איפה המשלוח שלי?"),
    ("cp1256", "windows-1256", "مرحبا"),
    ("cp1257", "windows-1257", "Labdien, kur ir mana paka? Ąžuolas"),
    ("cp1258", "windows-1258", "Đơn hàng đâu?"),
    ("cp874", "windows-874", "สวัสดีครับ"),
    ("utf-7", "utf-7", KOREAN),
    ("utf-16", "utf-16", KOREAN),
]
for number, (codec, label, text) in enumerate(CHARSETS):
    data = text.encode(codec)
    case(
        f"body in {codec} labelled {label}",
        raw(
            base64.encodebytes(data).replace(b"\n", b"\r\n"),
            f"MIME-Version: 1.0\nContent-Type: text/plain; charset={label}\nContent-Transfer-Encoding: base64",
        ),
        text=text,
    )
    if codec not in ("utf-16", "utf-7"):
        case(f"subject in {codec} labelled {label}", raw("x\n", subject=encoded(text, codec, label)), subject=text)
        case(
            f"eight-bit body in {codec} labelled {label}",
            raw(data + b"\r\n", f"MIME-Version: 1.0\nContent-Type: text/plain; charset=\"{label}\"\n"
                "Content-Transfer-Encoding: 8bit"),
            text=text + "\n",
        )

# Names that lie.
case("UTF-8 labelled euc-kr", raw(KOREAN, "Content-Type: text/plain; charset=euc-kr"), text=KOREAN)
case("UTF-8 labelled us-ascii", raw(KOREAN, "Content-Type: text/plain; charset=us-ascii"), text=KOREAN)
case("UTF-8 labelled iso-8859-1", raw(KOREAN, "Content-Type: text/plain; charset=iso-8859-1"), text=KOREAN)
case("UTF-8 without a label", raw(KOREAN, ""), text=KOREAN)
case("EUC-KR labelled utf-8", raw(KOREAN.encode("euc-kr"), "Content-Type: text/plain; charset=utf-8"), text=KOREAN)
case("EUC-KR without a label", raw(KOREAN.encode("euc-kr"), ""), text=KOREAN)
case("EUC-KR labelled us-ascii", raw(KOREAN.encode("euc-kr"), "Content-Type: text/plain; charset=us-ascii"),
     text=KOREAN)
case("a charset that nobody knows", raw("plain words\n", "Content-Type: text/plain; charset=x-martian"),
     text="plain words\n")
case("a byte-order mark", raw(b"\xef\xbb\xbf" + KOREAN.encode(), "Content-Type: text/plain; charset=utf-8"), text=KOREAN)
case("ISO-2022-KR without a label", raw(KOREAN.encode("iso2022_kr"), ""), text=KOREAN)

# Headers.
LONG = "주문하신 상품이 아직 도착하지 않았습니다. 언제쯤 받을 수 있을까요? 문의드립니다 (재문의) 2026"
folded = email.header.Header(LONG, "utf-8", maxlinelen=60, header_name="Subject").encode()
case("a long subject in several words", raw("x\n", subject=folded.replace("\n", "\n")), subject=LONG)
case("a subject in quoted-printable", raw("x\n", subject=encoded(KOREAN, "utf-8", encoding="q")), subject=KOREAN)
halves = KOREAN.encode()
split = "=?utf-8?B?" + base64.b64encode(halves[:7]).decode() + "?= =?utf-8?B?" + base64.b64encode(halves[7:]).decode() + "?="
case("a letter split over two encoded words", raw("x\n", subject=split), subject=KOREAN)
case("words and encoded words in one subject", raw("x\n", subject="Re: " + encoded("주문", "euc-kr") + " 4711"),
     subject="Re: 주문 4711")
case("a raw UTF-8 subject", raw("x\n", subject=KOREAN), subject=KOREAN)
case("a subject that is not there", b"From: kim@example.com\r\nTo: care@shop.example\r\n\r\nx\r\n", subject="", text="x\n")
case("an encoded name in From", b"From: " + encoded("김철수", "euc-kr").encode() + b" <Kim@Example.COM>\r\n"
     b"To: care@shop.example\r\nSubject: s\r\n\r\nx", **{"from": [["김철수", "kim@example.com"]]})
case("a quoted name with a comma", b"From: \"Kim, Chul \\\"soo\\\"\" <kim@example.com>\r\nSubject: s\r\n\r\nx",
     **{"from": [["Kim, Chul \"soo\"", "kim@example.com"]]})
case("an address alone", b"From: kim@example.com\r\nSubject: s\r\n\r\nx", **{"from": [["", "kim@example.com"]]})
case("an old address form", b"From: kim@example.com (Kim Chulsoo)\r\nSubject: s\r\n\r\nx",
     **{"from": [["Kim Chulsoo", "kim@example.com"]]})
case("a group of recipients", b"From: kim@example.com\r\nTo: team: a@example.com, B <b@example.com>;, c@example.com\r\n"
     b"Subject: s\r\n\r\nx", to=[["", "a@example.com"], ["B", "b@example.com"], ["", "c@example.com"]])
case("undisclosed recipients", b"From: kim@example.com\r\nTo: undisclosed-recipients:;\r\nSubject: s\r\n\r\nx", to=[])
case("Message-ID, In-Reply-To and References",
     raw("x", "In-Reply-To: <b2@shop.example>\nReferences: <a1@shop.example>\n <b2@shop.example>", id="c3"),
     messageID="c3@example.com", inReplyTo=["b2@shop.example"], references=["a1@shop.example", "b2@shop.example"])
case("References without spaces between them", raw("x", "References: <a1@x.example><b2@x.example>"),
     references=["a1@x.example", "b2@x.example"])
case("In-Reply-To with words", raw("x", "In-Reply-To: Your message of \"Mon\" <b2@shop.example>"),
     inReplyTo=["b2@shop.example"])
case("lines that end with LF only", raw("line one\nline two\n").replace(b"\r\n", b"\n"), text="line one\nline two\n",
     subject="Question")
case("an mbox line before the header", b"From kim@example.com Thu Jan  1 00:00:00 2026\r\n" + raw("x\n"), text="x\n",
     subject="Question")
case("an empty body", raw(""), text="")

# Bodies.
case("quoted-printable", raw("=EC=95=88=EB=85=95 a=\n b=3D\n", "Content-Type: text/plain; charset=utf-8\n"
     "Content-Transfer-Encoding: quoted-printable"), text="안녕 a b=\n")
case("control characters are left out", raw(b"a\x00b\x07c\r\nd\x1b", "Content-Type: text/plain; charset=utf-8"),
     text="abc\nd")
case("decomposed Hangul becomes composed", raw(unicodedata.normalize("NFD", "한글"), "Content-Type: text/plain; charset=utf-8"),
     text="한글")
case("format=flowed", raw("A long line that \ngoes on here.\n\n> quoted \n> text\n>> deeper\n-- \nKim\n",
     "Content-Type: text/plain; charset=utf-8; format=flowed"),
     text="A long line that goes on here.\n\n> quoted text\n>> deeper\n-- \nKim\n")
case("format=flowed with delsp", raw("한국어는 \n띄어 \n쓴다\n", "Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes"),
     text="한국어는띄어쓴다\n")
case("a stuffed space", raw(" From here\n >not a quotation\n", "Content-Type: text/plain; format=flowed"),
     text="From here\n>not a quotation\n")

# HTML.
def html(body, **expected):
    name = expected.pop("name")
    case(name, raw(body, "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8"), **expected)


html("<html><head><title>t</title><style>p{color:red}</style></head><body><p>안녕하세요</p><p>둘째 &amp; 끝</p></body></html>",
     name="HTML paragraphs", text="안녕하세요\n\n둘째 & 끝")
html("<div>a</div><div>b<br>c</div>", name="HTML divisions and breaks", text="a\nb\nc")
html("<ul><li>one<li>two</ul>", name="an HTML list", text="- one\n- two")
html("<p>See <a href=\"https://shop.example/orders/4711\">your order</a></p>", name="an HTML link",
     text="See your order <https://shop.example/orders/4711>")
html("<a href='https://shop.example/'>https://shop.example</a>", name="an HTML link that says its address",
     text="https://shop.example")
html("<script>alert('x')</script>ok<!-- no --><noscript>n</noscript>", name="HTML scripts and comments", text="ok")
html("<table><tr><td>Order</td><td>4711</td></tr><tr><td>Price</td><td>10 &euro;</td></tr></table>", name="an HTML table",
     text="Order 4711\nPrice 10 €")
html("new<blockquote>old<blockquote>older</blockquote></blockquote>", name="HTML quotations", text="new\n\n> old\n>\n>> older")
html("<pre>a\n  b\n</pre>", name="preformatted HTML", text="a\n  b")
html("<p>&#xC548;&#45397; &nbsp;&lt;x&gt; &bogus; &#150;</p>", name="character references", text="안녕  <x> &bogus; –")
html("<div style=\"display: none\">preview text</div>real", name="hidden HTML", text="real")
html("<p>unclosed <b>bold <i>both", name="unclosed HTML", text="unclosed bold both")
html("1 < 2 && 3 > 2", name="HTML that is none", text="1 < 2 && 3 > 2")
html("a" + "<div>" * 5000 + "b", name="HTML nested deeply", text="a\nb")
html("<img src='cid:x' alt='로고'>", name="an HTML picture with words", text="[로고]")
case("HTML that names its charset only in the label", raw("<p>한글</p>".encode("euc-kr"),
     "Content-Type: text/html; charset=ks_c_5601-1987"), text="한글")


# Parts.
def built(name, message, **expected):
    message["From"] = "Kim <kim@example.com>"
    message["To"] = "care@shop.example"
    message["Subject"] = "s"
    case(name, message.as_bytes(policy=email.policy.SMTP), **expected)


m = EmailMessage()
m.set_content("plain words\n")
m.add_alternative("<p>html words</p>", subtype="html")
built("an alternative: the plain text is read", m, text="plain words\n", files=[])

m = EmailMessage()
m.set_content("  \n")
m.add_alternative("<p>html words</p>", subtype="html")
built("an alternative whose plain text is blank", m, text="html words", files=[])

m = EmailMessage()
m.set_content("see the file\n")
m.add_attachment(b"%PDF-1.4 x", maintype="application", subtype="pdf", filename="영수증.pdf")
built("a file with a Korean name (RFC 2231)", m, text="see the file\n", files=[["attached", "영수증.pdf", "application/pdf", 10]])

case("a file with an encoded word for a name", raw(
    "--b\n\nhello\n--b\nContent-Type: image/png; name=\"" + encoded("사진.png", "euc-kr") + "\"\n"
    "Content-Disposition: attachment; filename=\"" + encoded("사진.png", "euc-kr") + "\"\n"
    "Content-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b--\n",
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b"),
    text="hello", files=[["attached", "사진.png", "image/png", 8]])
case("a name in RFC 2231 pieces", raw(
    "--b\n\nhello\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment;\n filename*0*=utf-8''%EC%98%81;\n"
    " filename*1*=%EC%88%98%EC%A6%9D;\n filename*2=.pdf\n\n%PDF-\n--b--\n",
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b"),
    files=[["attached", "영수증.pdf", "application/pdf", 5]])
case("a name that is a path", raw(
    "--b\n\nhello\n--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=\"../../etc/passwd\"\n\nx\n--b--\n",
    "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b"),
    files=[["attached", "_.._etc_passwd", "text/plain", 1]], text="hello")

m = EmailMessage()
m.set_content("with a picture\n")
m.add_alternative("<p>with <img src='cid:p1'></p>", subtype="html")
m.get_payload()[1].add_related(b"\x89PNG\r\n\x1a\n", "image", "png", cid="<p1>")
built("a picture inside HTML", m, text="with a picture\n", files=[["inline", "image-1.png", "image/png", 8]])

m = EmailMessage()
m.set_content("please come\n")
m.add_alternative("BEGIN:VCALENDAR\nEND:VCALENDAR\n", subtype="calendar", params={"method": "REQUEST"})
built("an invitation", m, text="please come\n", files=[["calendar", "attachment-1.ics", "text/calendar", 32]])

case("a PGP mail", raw(
    "--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\n\n"
    "-----BEGIN PGP MESSAGE-----\n--b--\n",
    "MIME-Version: 1.0\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b"),
    text="", files=[["sealed", "attachment-1.asc", "application/pgp-encrypted", 10],
                    ["attached", "encrypted.asc", "application/octet-stream", 27]])
case("a PGP-signed mail", raw(
    "--b\n\nsigned words\n--b\nContent-Type: application/pgp-signature; name=\"signature.asc\"\n\n-----BEGIN PGP SIGNATURE-----\n--b--\n",
    "MIME-Version: 1.0\nContent-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b"),
    text="signed words", files=[["sealed", "signature.asc", "application/pgp-signature", 29]])
case("an S/MIME mail", raw("TUlJ\n", "MIME-Version: 1.0\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"\n"
     "Content-Transfer-Encoding: base64"), text="", files=[["sealed", "smime.p7m", "application/pkcs7-mime", 3]])
case("an S/MIME-signed mail", raw(
    "--b\n\nsigned words\n--b\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\nContent-Transfer-Encoding: base64\n\nTUlJ\n--b--\n",
    "MIME-Version: 1.0\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b"),
    text="signed words", files=[["sealed", "smime.p7s", "application/pkcs7-signature", 3]])

inner = EmailMessage()
inner["Subject"] = "the first mail"
inner["From"] = "lee@example.com"
inner.set_content("inner words\n")
m = EmailMessage()
m.set_content("see below\n")
m.add_attachment(inner)
built("a forwarded message", m,
      text="see below\n\n\n---------- Forwarded message: the first mail ----------\n\ninner words\n",
      fileNames=["the first mail.eml"])

parts = "".join(f"--b\nContent-Type: text/plain\n\npart {i}\n" for i in range(3))
case("several texts", raw(parts + "--b--\n", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b"),
     text="part 0\n\npart 1\n\npart 2", files=[])
case("a multipart whose end is missing", raw("--b\n\nwords\n--b\nContent-Type: image/png; name=x.png\n"
     "Content-Transfer-Encoding: base64\n\niVBORw0KGgo=", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b"),
     text="words", files=[["attached", "x.png", "image/png", 8]])
case("a multipart without its boundary", raw("just words\n", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=nope"),
     text="just words\n", files=[])
case("a multipart without its boundary, in EUC-KR", raw(KOREAN.encode("euc-kr"), "Content-Type: multipart/mixed; boundary=nope"),
     text=KOREAN)
nested = "words\n"
kind = "text/plain"
for level in range(8):
    nested = f"--n{level}\nContent-Type: {kind}\n\n{nested}\n--n{level}--\n"
    kind = f"multipart/mixed; boundary=n{level}"
case("eight multiparts in each other", raw(nested, f"MIME-Version: 1.0\nContent-Type: {kind}"), text="words\n")

# Suppression.
def suppressed(header, reason, body="x\n"):
    case(f"suppressed: {header}", raw(body, header), suppression=reason)


for header, reason in [
    ("Auto-Submitted: auto-replied", "AUTO_REPLY"),
    ("Auto-Submitted: auto-replied (vacation)", "AUTO_REPLY"),
    ("Auto-Submitted: auto-generated", "MACHINE"),
    ("Auto-Submitted: auto-notified; owner-email=x", "MACHINE"),
    ("Precedence: auto_reply", "AUTO_REPLY"),
    ("X-Autoreply: yes", "AUTO_REPLY"),
    ("X-Autorespond: Out of office", "AUTO_REPLY"),
    ("X-Auto-Reply-From: kim@example.com", "AUTO_REPLY"),
    ("X-Mail-Autoreply: MDaemon", "AUTO_REPLY"),
    ("X-Autogenerated: Reply", "AUTO_REPLY"),
    ("X-MS-Exchange-Inbox-Rules-Loop: kim@example.com", "AUTO_REPLY"),
    ("X-POST-MessageClass: 9; Autoresponder", "AUTO_REPLY"),
    ("Delivered-To: Autoresponder", "AUTO_REPLY"),
    ("X-Auto-Response-Suppress: All", "MACHINE"),
    ("X-FC-MachineGenerated: true", "MACHINE"),
    ("X-Cron-Env: <SHELL=/bin/sh>", "MACHINE"),
    ("Precedence: bulk", "BULK"),
    ("Precedence: junk", "BULK"),
    ("Precedence: list", "LIST"),
    ("List-Id: <news.shop.example>", "LIST"),
    ("List-Unsubscribe: <mailto:u@shop.example>", "BULK"),
    ("Mailing-List: contact x@example.com", "LIST"),
    ("X-Campaign-Id: 7", "BULK"),
    ("Return-Path: <>", "BOUNCE"),
    ("X-Failed-Recipients: kim@example.com", "BOUNCE"),
]:
    suppressed(header, reason)
for subject in ["Automatic reply: Question", "Out of Office: Question", "[자동회신] 부재중입니다", "자동 회신: 문의", "【自動返信】受付"]:
    case(f"suppressed by its subject: {subject}", raw("x\n", subject=subject), suppression="AUTO_REPLY")
case("suppressed: from the mailer daemon",
     b"From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example>\r\nSubject: s\r\n\r\nx", suppression="BOUNCE")
for header in ["Auto-Submitted: no", "Precedence: first-class", "X-Priority: 1", "X-Mailer: Outlook", "Importance: high",
               "Return-Path: <kim@example.com>", "X-Auto-Response-Suppress: None", "Disposition-Notification-To: kim@example.com"]:
    case(f"a person's: {header}", raw("x\n", header), suppression="")
case("a person who writes about an automatic reply", raw("x\n", subject="I got an automatic reply: why?"), suppression="")

DSN = """--b
Content-Type: text/plain

Your message could not be delivered.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; Kim@Example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <kim@example.com>: no such
 user here
--b
Content-Type: {kind}

{original}
--b--
"""
REPORT = "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b"
for kind, original in [
    ("message/rfc822", "Message-ID: <m1@shop.example>\nSubject: answer\n\nbody"),
    ("text/rfc822-headers", "Subject: answer\nMessage-ID: <m1@shop.example>\n"),
]:
    case(f"a bounce with {kind}", raw(DSN.format(kind=kind, original=original), REPORT), suppression="BOUNCE",
         report={"original": "m1@shop.example", "recipients": [
             ["kim@example.com", "failed", "5.1.1", "550 5.1.1 <kim@example.com>: no such user here"]]})
case("a report of a delay", raw(DSN.format(kind="text/rfc822-headers", original="Message-ID: <m1@shop.example>\n")
     .replace("Action: failed", "Action: delayed").replace("Status: 5.1.1", "Status: 4.4.1"), REPORT), suppression="BOUNCE",
     report={"original": "m1@shop.example", "recipients": [
         ["kim@example.com", "delayed", "4.4.1", "550 5.1.1 <kim@example.com>: no such user here"]]})
case("a read receipt", raw("--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nDisposition: x; displayed\n--b--\n",
     "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b"),
     suppression="RECEIPT")

# Quotations and signatures: `shown` is what is left above the fold.
def fold(name, shown, rest):
    text = shown + rest
    case("folded: " + name, raw(text, "Content-Type: text/plain; charset=utf-8"), text=text, shown=shown)


fold("Gmail", "Thanks!", "\n\nOn Thu, 1 Jan 2026 at 10:00, Care <care@shop.example> wrote:\n> old\n> words")
fold("Gmail, attribution in two lines", "Thanks!",
     "\n\nOn Thu, 1 Jan 2026 at 10:00, The Customer Care Team of the Shop\n<care@shop.example> wrote:\n\n> old")
fold("Gmail in Korean", "감사합니다", "\n\n2026년 1월 1일 (목) 오전 10:00, 고객센터 <care@shop.example>님이 작성:\n\n> 이전")
fold("Outlook", "Thanks", "\n\n-----Original Message-----\nFrom: Care\nSent: today\nTo: Kim\nSubject: s\n\nold")
fold("Outlook's header block", "Thanks", "\n\nFrom: Care <care@shop.example>\nSent: Thursday\nTo: Kim\nSubject: Re: s\n\nold")
fold("Outlook in Korean", "네", "\n\n보낸 사람: 고객센터\n보낸 날짜: 2026년 1월 1일\n받는 사람: 김철수\n제목: s\n\n이전")
fold("Naver", "네, 알겠습니다.", "\n\n-----Original Message-----\nFrom: \"고객센터\"<care@shop.example>\nTo: <kim@example.com>;\n\n이전")
fold("a Korean separator", "네", "\n\n--------- 원본 메일 ---------\n이전")
fold("Japanese", "了解です", "\n\n-----元のメッセージ-----\n前の")
fold("a signature", "See you", "\n-- \nKim\nPhone 02-000-0000")
fold("an iPhone", "Yes please", "\n\nSent from my iPhone")
fold("an iPhone in Korean", "네", "\n\n나의 iPhone에서 보냄")
fold("German", "Danke", "\n\nAm 01.01.2026 um 10:00 schrieb Care <care@shop.example>:\n> alt".replace(
    "schrieb Care <care@shop.example>:", "Care schrieb:"))
case("not folded: an answer below the quotation", raw("> old\n> words\n\nmy answer\n"), shown="> old\n> words\n\nmy answer\n")
case("not folded: nothing but a quotation", raw("> old\n"), shown="> old\n")
case("not folded: words between quotations", raw("a\n> old\nb\n"), shown="a\n> old\nb\n")

print(json.dumps(CASES))
