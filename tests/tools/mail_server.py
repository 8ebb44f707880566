"""Takes mail over SMTP on this machine, and tells each as a line of JSON.

The first line that it is told is the port (0: any); it answers with the one it has. Later lines are answers to give from then
on, such as `451 later`; an empty line for taking mail again.
"""

import asyncio
import base64
import json
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP


class Mailbox:
    def __init__(self):
        self.answer = ""

    async def handle_DATA(self, server, session, envelope):
        if self.answer:
            return self.answer
        mail = message_from_bytes(envelope.content, policy=policy.default)
        part = lambda kind: mail.get_body((kind,))
        text, html = part("plain"), part("html")
        files = [
            {
                "name": file.get_filename(),
                "type": file.get_content_type(),
                "content": base64.b64encode(file.get_payload(decode=True)).decode(),
            }
            for file in mail.iter_attachments()
        ]
        told = {
            "sender": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "from": str(mail["from"]),
            "subject": str(mail["subject"]),
            "message_id": str(mail["message-id"]),
            "text": text and text.get_content(),
            "html": html and html.get_content(),
            "files": files,
        }
        print(json.dumps(told), flush=True)
        return "250 taken"


async def main():
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    port = int(await lines.readline())
    mailbox = Mailbox()
    server = await loop.create_server(lambda: SMTP(mailbox), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await lines.readline():
        mailbox.answer = line.decode().strip()
        print("noted", flush=True)


asyncio.run(main())
