"""Secrets of every format that the masker must find, and harmless texts that resemble secrets.

All are made up, and assembled from pieces so that secret scanners do not report them.
"""

from __future__ import annotations

import base64
import random
import string
from typing import NamedTuple

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits
UPPER = string.ascii_uppercase + string.digits
URL = ALNUM + "-_"


class Format(NamedTuple):
    """A secret within a text."""

    name: str
    text: str
    secret: str
    """The part that must not remain."""


def made(name: str, length: int, signs: str = ALNUM) -> str:
    """Return a made-up secret, the same each time."""
    chance = random.Random(name)
    digits = [sign for sign in signs if sign.isdigit()]
    made_up = [chance.choice(signs) for _ in range(length)]
    if digits:
        made_up[length // 2] = chance.choice(digits)
    letters = [sign for sign in signs if sign.isalpha()]
    made_up[0] = chance.choice(letters or signs)
    return "".join(made_up)


def _key(name: str, begin: str, length: int, signs: str = ALNUM, end: str = "") -> Format:
    secret = made(name, length, signs) + end
    return Format(name, f"Use {begin}{secret} for it.", secret)


def _beside(name: str, text: str, length: int = 24, signs: str = ALNUM) -> Format:
    secret = made(name, length, signs)
    return Format(name, text.replace("\u00a7", secret), secret)


PASSWORD = "Tr0ub4" + "dor-Xy"
HARD = "Tr0/ub4" + "@dor"
_BLOCK = "\n".join(made(f"block {n}", 64) for n in range(4))
_BASIC = base64.b64encode(f"me:{PASSWORD}".encode()).decode()

KEYS = [
    _key("OpenAI", "sk-", 48),
    _key("OpenAI project", "sk-proj-", 64, URL),
    _key("OpenAI service account", "sk-svcacct-", 64),
    _key("Anthropic", "sk-ant-api03-", 93, URL, "AA"),
    _key("OpenRouter", "sk-or-v1-", 64, HEX),
    _key("DashScope", "sk-", 32, HEX),
    _key("DeepSeek", "sk-", 32, HEX),
    _key("Groq", "gsk_", 52),
    _key("xAI", "xai-", 80),
    _key("Perplexity", "pplx-", 48),
    _key("NVIDIA", "nvapi-", 64, URL),
    _key("Tavily", "tvly-dev-", 32),
    _key("Cerebras", "csk-", 48, LOWER),
    _key("Jina", "jina_", 60),
    _key("Fireworks", "fw_", 24),
    _key("Pinecone", "pcsk_", 60),
    _key("LangSmith", "lsv2_pt_", 32, HEX, "_a1b2c3d4e5"),
    _key("Replicate", "r8_", 37),
    _key("Hugging Face", "hf_", 34),
    _key("GitHub", "ghp_", 36),
    _key("GitHub OAuth", "gho_", 36),
    _key("GitHub server", "ghs_", 36),
    _key("GitHub fine-grained", "github_pat_", 82, ALNUM + "_"),
    _key("GitLab", "glpat-", 20, URL),
    _key("GitLab runner", "glrt-", 20, URL),
    _key("AWS", "AKIA", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    _key("AWS temporary", "ASIA", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    _key("Google API", "AIza", 35, URL),
    _key("Google access", "ya29.", 80, URL),
    _key("Google client secret", "GOCSPX-", 28, URL),
    _key("Google refresh", "1//0", 60, URL),
    _key("Azure client secret", "abc8Q~", 34, ALNUM),
    _key("Slack bot", "xox" + "b-123456789012-123456789012-", 24),
    _key("Slack app", "xapp-1-A012345-123456789012-", 64, HEX),
    _key("Stripe", "sk_live_", 24),
    _key("Stripe restricted", "rk_live_", 24),
    _key("Stripe webhook", "whsec_", 32),
    _key("Twilio", "SK", 32, HEX),
    _key("SendGrid", "SG.", 22, ALNUM, "." + made("SendGrid end", 43)),
    _key("Mailgun", "key-", 32, HEX),
    _key("Mailgun sending", "", 32, HEX, "-" + made("mg1", 8, HEX) + "-" + made("mg2", 8, HEX)),
    _key("Mailchimp", "", 32, HEX, "-us12"),
    _key("Telegram", "123456789:AA", 33, URL),
    _key("Discord", "M", 24, ALNUM, "." + made("dc1", 6) + "." + made("dc2", 38)),
    _key("Shopify", "shpat_", 32, HEX),
    _key("Shopify secret", "shpss_", 32, HEX),
    _key("Databricks", "dapi", 32, HEX),
    _key("Vault", "hvs.", 90, URL),
    _key("Vault batch", "hvb.", 140, URL),
    _key("Vault, older", "s.", 24),
    _key("Notion", "ntn_", 46),
    _key("Notion, older", "secret_", 43),
    _key("Linear", "lin_api_", 40),
    _key("npm", "npm_", 36),
    _key("PyPI", "pypi-", 120, URL),
    _key("RubyGems", "rubygems_", 48, HEX),
    _key("crates.io", "cio", 32),
    _key("Docker Hub", "dckr_pat_", 27, URL),
    _key("DigitalOcean", "dop_v1_", 64, HEX),
    _key("Tailscale", "tskey-auth-", 12, ALNUM, "-" + made("ts", 32)),
    _key("Supabase", "sbp_", 40, HEX),
    _key("Figma", "figd_", 40, URL),
    _key("Airtable", "pat", 14, ALNUM, "." + made("at", 64, HEX)),
    _key("Atlassian", "ATATT3", 186, URL),
    _key("Postman", "PMAK-", 24, HEX, "-" + made("pm", 34, HEX)),
    _key("Pulumi", "pul-", 40, HEX),
    _key("PlanetScale", "pscale_tkn_", 43, URL),
    _key("Grafana", "glsa_", 32, ALNUM, "_" + made("gf", 8, HEX)),
    _key("New Relic", "NRAK-", 27, UPPER),
    _key("Sentry", "sntryu_", 64, HEX),
    _key("Square", "sq0atp-", 22, URL),
    _key("Doppler", "dp.pt.", 43, LOWER),
    _key("HashiCorp Terraform", "", 14, ALNUM, ".atlasv1." + made("tf", 64, URL)),
    _key("1Password", "ops_eyJ", 260),
    _key("age", "AGE-SECRET-KEY-1", 58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    _key("JWT", "eyJ", 20, ALNUM, ".eyJ" + made("jwt1", 30) + "." + made("jwt2", 43)),
    _key("Prefect", "pnu_", 36),
    Format("PEM", f"-----BEGIN RSA PRIVATE KEY-----\n{_BLOCK}\n-----END RSA PRIVATE KEY-----", _BLOCK[70:120]),
    Format(
        "OpenSSH", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_BLOCK}\n-----END OPENSSH PRIVATE KEY-----", _BLOCK[70:120]
    ),
    Format(
        "PGP", f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{_BLOCK}\n-----END PGP PRIVATE KEY BLOCK-----", _BLOCK[70:120]
    ),
    Format(
        "PuTTY",
        f"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 4\n{_BLOCK}\nPrivate-MAC: 00",
        _BLOCK[70:120],
    ),
    Format(
        "SSH2",
        f"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n{_BLOCK}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
        _BLOCK[70:120],
    ),
    _beside("Azure SAS", "https://a.blob.core.windows.net/c?sv=2024-11-04&se=2026-01-01&sr=c&sp=r&sig=§%3D", 43),
    _beside(
        "Azure storage",
        "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=§==;EndpointSuffix=core.windows.net",
        86,
    ),
    _beside("AWS secret", "aws_secret_access_key = §", 40),
    _beside("AWS secret, in a table", "Access key ID,Secret access key\nAKIAABCDEFGHIJKLMNOP,§\n", 40),
    _beside("signed address", "https://s3.example/k?X-Amz-Signature=§", 64, HEX),
    _beside("Slack webhook", "https://hooks.slack.com/services/T00000000/B00000000/§", 24),
    _beside("Discord webhook", "https://discord.com/api/webhooks/123456789012345678/§", 68),
    _beside("Heroku", "HEROKU_API_KEY=§", 36, HEX + "-"),
    _beside("Datadog", "DD_API_KEY: §", 32, HEX),
    _beside("Cloudflare", "cloudflare_token = §", 40),
    _beside("Twitch", "twitch: §", 30, LOWER),
    Format("curl -u", f"curl -s -u me:{PASSWORD} https://x.example", PASSWORD),
    Format("curl --user", f"curl --user 'me:{PASSWORD}' https://x.example", PASSWORD),
    Format("mysql -p", f"mysql -h db -u root -p{PASSWORD} shop", PASSWORD),
    Format("mysqldump -p", f"mysqldump -uroot -p'{PASSWORD}' shop > x.sql", PASSWORD),
    Format("sshpass", f"sshpass -p {PASSWORD} ssh me@host", PASSWORD),
    Format("redis-cli", f"redis-cli -h db -a {PASSWORD} ping", PASSWORD),
    Format("docker login", f"docker login -u me -p {PASSWORD} r.example", PASSWORD),
    Format("netrc", f"machine x.example login me password {PASSWORD}", PASSWORD),
    Format("netrc, in lines", f"machine x.example\n  login me\n  password {PASSWORD}\n", PASSWORD),
    Format("pgpass", f"localhost:5432:shop:me:{PASSWORD}", PASSWORD),
    Format("npmrc", f"//r.example/:_auth={_BASIC}", _BASIC),
    Format("docker config", f'{{"auths": {{"r.example": {{"auth": "{_BASIC}"}}}}}}', _BASIC),
    Format("htpasswd", "me:$apr1$" + made("salt", 8) + "$" + made("apr1", 22), made("apr1", 22)),
    _beside(
        "Jupyter's cookie",
        'Cookie: username-localhost-8888="2|1:0|10:1700000000|23:username-localhost-8888|44:YWJj|§"',
        64,
        HEX,
    ),
    _beside("Jupyter's address", "http://localhost:8888/lab?token=§", 48, HEX),
    _beside("session cookie", "Set-Cookie: sessionid=§; Path=/; HttpOnly"),
    _beside("Authorization token", "Authorization: token §", 40, HEX),
    _beside("Authorization bearer", "Authorization: Bearer §"),
    _beside("Authorization in Python", 'headers={"Authorization": "Token §"}', 12),
    Format("Authorization basic", f"Authorization: Basic {_BASIC}", _BASIC),
    Format("basic alone", f"it sent Basic {_BASIC}", _BASIC),
    _beside("X-API-Key", "-H 'X-API-Key: §'"),
    Format("bold", f"**Password:** {PASSWORD}", PASSWORD),
    Format("bold, colon outside", f"**Password**: {PASSWORD}", PASSWORD),
    Format("code", f"Password: `{PASSWORD}`", PASSWORD),
    Format("list", f"- API key: {PASSWORD}", PASSWORD),
    Format("said", f"The password is {PASSWORD}.", PASSWORD),
    Format("Chinese", f"\u5bc6\u7801\uff1a{PASSWORD}", PASSWORD),
    Format("cell", f"| Password | {PASSWORD} |", PASSWORD),
    Format("cell in bold", f"| **API_KEY** | `{PASSWORD}` |", PASSWORD),
    Format("column", f"| user | password |\n|---|---|\n| me | {PASSWORD} |\n", PASSWORD),
    Format("CSV", f"user,password,age\nme,{PASSWORD},7\n", PASSWORD),
    Format("TSV", f"user\tpassword\nme\t{PASSWORD}\n", PASSWORD),
    Format("data frame", f"  user      password\n0   me  {PASSWORD}\n", PASSWORD),
    Format("HTML cell", f"<tr><td>Password</td><td>{PASSWORD}</td></tr>", PASSWORD),
    Format("XML", f"<password>{PASSWORD}</password>", PASSWORD),
    Format("input", f'<input type="password" name="p" value="{PASSWORD}">', PASSWORD),
    Format("pair", f'{{"name": "API_KEY", "value": "{PASSWORD}"}}', PASSWORD),
    Format("pair, turned", f'{{"value": "{PASSWORD}", "name": "API_KEY"}}', PASSWORD),
    Format("pair in YAML", f"env:\n  - name: DB_PASSWORD\n    value: {PASSWORD}\n", PASSWORD),
    Format("pair in XML", f'<add key="ApiKey" value="{PASSWORD}"/>', PASSWORD),
    Format("address", f"postgres://me:{PASSWORD}@localhost/db", PASSWORD),
    Format("address, / and @", f"postgres://me:{HARD}@localhost:5432/db", HARD),
    Format("address without user", f"redis://:{PASSWORD}@localhost:6379", PASSWORD),
    Format("quotes in it", 'password = "a\\"' + PASSWORD + '"', PASSWORD),
    Format("escaped JSON", f'{{\\"password\\": \\"{PASSWORD}\\"}}', PASSWORD),
    Format("three quotes", f'token = """{PASSWORD}"""', PASSWORD),
    Format("PowerShell", f"Connect -Password {PASSWORD} -User me", PASSWORD),
    Format("pieces of a command", f"['mysql', '--password', '{PASSWORD}']", PASSWORD),
]

INNOCENT = [
    "Basic Understanding2024ofThings",
    "BASIC Programming1984forBeginners is a book",
    "Basic YWJjZGVmZ2hpamtsbW5vcA is not a user with a password",
    "id 123e4567-e89b-12d3-a456-426614174000",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b fixed it",
    "md5 d41d8cd98f00b204e9800998ecf8427e, sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
    '<img src="data:image/png;base64,EAAAabcdefghijklmnopqrstuvwxyz0123456789SK0123456789abcdef0123456789abcdef">',
    "password = getpass()",
    "password = getpass.getpass('Password: ')",
    'api_key=os.environ["X"]',
    'api_key = os.environ.get("OPENAI_API_KEY")',
    "client = OpenAI(api_key=api_key)",
    "token = tokens[0]",
    "token = next(tokens)",
    "tokens = text.split()",
    "secret: patience",
    "The secret of good soup is time.",
    "Passwords should be at least 12 characters long.",
    "Your password must contain a digit.",
    "What is the password policy?",
    "the password is required",
    "the token is invalid",
    "Password: required",
    "| name | type |\n|---|---|\n| password | string |\n| token | string |\n",
    "| Field | Meaning |\n|---|---|\n| api_key | the key of the service |\n",
    "user,password\nalice,<hidden>\n",
    "def login(user: str, password: str) -> bool:",
    "def f(token: Optional[str] = None, api_key: str | None = None): ...",
    "class Token(NamedTuple):\n    kind: str\n    value: str",
    '{"name": "city", "value": "Vienna2024"}',
    '{"type": "object", "properties": {"password": {"type": "string"}}}',
    '{"name": "api_key", "type": "string", "description": "The key of the service"}',
    '{"max_tokens": 2048, "total_tokens": 351, "token_count": 17}',
    "export OPENAI_API_KEY=$MY_KEY",
    "export OPENAI_API_KEY=<your key>",
    "OPENAI_API_KEY=your-key-here",
    "OPENAI_API_KEY=${{ secrets.OPENAI_API_KEY }}",
    "Authorization: Bearer <token>",
    "Authorization: Bearer $TOKEN",
    'headers = {"Authorization": f"Bearer {token}"}',
    "Authorization: required",
    "authorization: none of them had it",
    'curl -u "$USER:$PASSWORD" https://x.example',
    "curl -o out.txt https://x.example:8080/path",
    "curl -X POST https://x.example -d 'a=b'",
    "mysql -u root -p shop",
    'mysql -u root -p"$MYSQL_PWD" shop',
    "docker run -p 8080:80 nginx",
    "mkdir -p a/b/c",
    "git push -u origin main",
    "pip install -U torch",
    "http://localhost:8888/tree?path=a@b.example",
    "https://example.org:8443/~me/page@2x.png",
    "see https://docs.example.org:8080/keys/management#tokens",
    "ssh://git@github.com/me/repo.git",
    "git@github.com:me/repo.git",
    "mailto:me@example.org",
    "scikit-learn 1.5 and sk-learn; a risk-based-approach-to-2024-planning",
    "task_2024, desk-1234567890, disk_live_migration",
    "compass: north12, bypass: lane42, tokenizer=cl100k_base",
    "The primary key: customer_id. The foreign key: order_id2.",
    "monkey=banana2024forever, turkey=istanbul1453constantinople",
    "keyboard: qwerty12345layout",
    "cookie: a small biscuit",
    "Set the cookie's name to session.",
    "the key takeaway of 2024 is patience",
    "A machine learning model; the login page; the default password policy.",
    "10:30:15:22:99 and 00:1a:2b:3c:4d:5e",
    "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nKeyError: 'token'",
    "AttributeError: 'str' object has no attribute 'token'",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCARygAwIBAgIJAKg\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC\n-----END PUBLIC KEY-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0a1b2c3d4e5f6g7h8i9j0 me@host",
    "GNU bash 5.2, Python 3.11.2, numpy==1.26.4, torch==2.3.1+cu121",
    "https://www.youtube.com/watch?v=dQw4w9WgXcQ&list=PL0123456789abcdef",
    "https://arxiv.org/abs/2401.12345v2?context=cs.CL",
    "Dropbox: straightforward synchronisation",
    "Confluent: responsibilities, and Twitter: internationalization",
    "the Asana board, the Linear issue, the Notion page, the Telegram chat",
    "sorted(items, key=lambda item: item.price2024)",
    "dict.fromkeys(keys), key=value2, KEY_LENGTH = 4096",
    "df.groupby(key='customer_2024').sum()",
    "x = {'key': 'value1234', 'id': 'a1b2c3d4e5'}",
    'int main(void) { const char *token = strtok(s, " "); }',
    "for token in doc: print(token.text, token.pos_)",
    "tokenizer = AutoTokenizer.from_pretrained('bert-base-uncased')",
    "[CLS] token ids: 101 7592 2088 102",
    "\u5bc6\u7801\u5f88\u91cd\u8981",
    "The quick brown fox jumps over the lazy dog 1234567890 times.",
    "jwt.decode(\n    token,\n    key,\n    algorithms=algorithms2,\n)",
    "from x import (\n    validate_credentials,\n    x509_safe_headers2,\n)",
    're.compile(r"(api[_-]?key|token|secret|passw(?:or)?d|pwd2|auth)")',
    'r.headers["Authorization"] = _basic_auth_str2(self.username, self.password)',
    'return {"Authorization": self.authorization}',
    '"accept, content-type, authorization, x-xsrf2token"',
    "password = password1",
]
