"""With any content of the folder, the tools never block or fail, take proportional time, and read no keys."""

from __future__ import annotations

import json
import os
import socket

import pytest

from reasoning_widget.agents.tools import files
from reasoning_widget.agents.tools.files import FileRefused, count_key_files, entries, read_blocks, resolve, text_files
from reasoning_widget.agents.tools.key_files import holds_keys
from reasoning_widget.agents.tools.qwen import ReadFile, SearchFiles, ToolFailed

MIB = 1024 * 1024


@pytest.fixture
def root(tmp_path):
    (tmp_path / "plan.md").write_text("The heron is grey.\n")
    return tmp_path


def search(root, query="heron"):
    return SearchFiles(root).call({"query": query})


def read(root, path):
    return ReadFile(root).call({"path": path})


def test_pipes_and_sockets_are_skipped(root):
    os.mkfifo(root / "pipe.md")
    (root / "link.md").symlink_to(root / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(root / "socket.md"))

        assert search(root) == "[plan.md:1]\nThe heron is grey."
        assert read(root, ".") == "The folder holds 1 file: plan.md."
        for name in ("pipe.md", "link.md", "socket.md"):
            with pytest.raises(ToolFailed, match=r"regular file|cannot be read"):
                read(root, name)


def test_a_file_that_becomes_a_pipe_before_opening_is_refused(root):
    found = resolve(root, "plan.md")
    found.unlink()
    os.mkfifo(found)

    with pytest.raises(FileRefused, match="regular file"):
        read_blocks(found)


def test_a_file_that_becomes_a_link_before_opening_is_refused(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret.md"
    outside.write_text("secret")
    found = resolve(root, "plan.md")
    found.unlink()
    found.symlink_to(outside)

    with pytest.raises(FileRefused, match="cannot be read"):
        read_blocks(found)


def test_circular_and_dead_links_are_skipped(root):
    (root / "self.md").symlink_to(root / "self.md")
    (root / "a.md").symlink_to(root / "b.md")
    (root / "b.md").symlink_to(root / "a.md")
    (root / "dead.md").symlink_to(root / "nowhere.md")
    (root / "sub").mkdir()
    (root / "sub" / "up").symlink_to(root)

    assert search(root) == "[plan.md:1]\nThe heron is grey."
    assert entries(root, root) == ["plan.md", "sub/"]
    for name in ("self.md", "a.md", "dead.md"):
        with pytest.raises(ToolFailed):
            read(root, name)


def test_a_device_behind_a_link_is_not_read(root):
    (root / "zero.md").symlink_to("/dev/zero")

    assert [file.path for file in text_files(root)] == ["plan.md"]
    with pytest.raises(ToolFailed, match="outside"):
        read(root, "zero.md")


@pytest.mark.parametrize(
    "path", ["a\0b", "x" * 5_000, "/".join("x" * 200 for _ in range(40)), "\udcff.md", "a\nb", "~/x"]
)
def test_an_invalid_path_is_refused_with_a_message(root, path):
    with pytest.raises(ToolFailed) as refused:
        read(root, path)
    assert "\n" not in str(refused.value)


def test_names_with_line_breaks_are_escaped_onto_one_line(root):
    (root / "a\n[plan.md:1]\nb.md").write_text("A kingfisher.\n")
    (root / "tab\tand\x1bescape.md").write_text("x")
    (root / os.fsdecode(b"not \xff UTF-8.md")).write_text("x")

    found = search(root, "kingfisher")
    listed = read(root, ".")

    assert found == "[a\\n[plan.md:1]\\nb.md:1]\nA kingfisher."
    assert "\n" not in listed
    assert "\x1b" not in listed
    listed.encode()
    assert read(root, "a\\n[plan.md:1]\\nb.md").endswith("A kingfisher.")


@pytest.mark.parametrize(
    "text",
    [
        "[" * MIB,
        '{"cells":' + "[" * 300_000,
        '{"cells": [{"cell_type": "code", "source": "x", "outputs": ' + "[" * 100_000 + "]" * 100_000 + "}]}",
        '{"cells": [{"cell_type": "code", "source": [[["x"]]]}]}',
        '{"cells": {}}',
        '{"cells": [1]}',
        "[]",
        "null",
        '"' + "\\" * 500_000,
    ],
    ids=lambda text: text[:20],
)
def test_invalid_notebooks_are_refused_with_a_message(root, text):
    (root / "n.ipynb").write_text(text)

    with pytest.raises(ToolFailed, match=r"n\.ipynb is not a valid notebook"):
        read(root, "n.ipynb")
    assert search(root) == "[plan.md:1]\nThe heron is grey."


def test_deeply_nested_notebook_metadata_does_not_hide_the_cells(root):
    deep: dict[str, object] = {}
    for _ in range(150):
        deep = {"a": deep}
    cells = [{"cell_type": "markdown", "source": "A kingfisher.", "metadata": deep}]
    (root / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": deep}))

    assert "A kingfisher." in read(root, "n.ipynb")


PAGES = {
    "<": "<" * MIB,
    "200 KiB of <": "<" * 200 * 1024,
    "<!--": "<!--" * (MIB // 4),
    "<a": "<a" * (MIB // 2),
    "<a ": "<a " * (MIB // 3),
    "</": "</" * (MIB // 2),
    "<script": "<script" * (MIB // 7),
    "<script>": "<script>" * (MIB // 8),
    "<script></script": "<script></script" * (MIB // 16),
    "<style></style>": "<style></style>" * (MIB // 15),
    "<!": "<!" * (MIB // 2),
    "<?": "<?" * (MIB // 2),
    "<!-- -->": "<!-- -->" * (MIB // 8),
    "<p>": "<p>" * (MIB // 3),
    "&": "&" * MIB,
    "&#": "&#1" * (MIB // 3),
    "<a b='": "<a b='" * (MIB // 6),
    "<![CDATA[": "<![CDATA[" * (MIB // 9),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_hostile_pages_are_read_in_one_pass(root, name):
    path = root / "p.html"
    path.write_text(f"Heron\n{PAGES[name][: MIB - 10]}")

    # Scanning the rest again at each character would take minutes and exceed the time limit of all tests.
    assert read_blocks(path)[0].lines[0] == "Heron"
    assert "Heron" in search(root)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("a < b and c > d", "a < b and c > d"),
        ("<p>x</p>", "x"),
        ("<!-- <p>no</p> -->x", "x"),
        ("<SCRIPT>no</SCRIPT >x", "x"),
        ("<style>no", ""),
        ("<b\nclass='y'\n>x", "x"),
        ("x <a", "x <a"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("<scripts>x</scripts>", "x"),
        ("1 <2 <3", "1 <2 <3"),
    ],
)
def test_pages_are_read_as_text(root, page, text):
    (root / "p.html").write_text(page)

    lines = read_blocks(root / "p.html")[0].lines
    assert " ".join(" ".join(lines).split()) == text
    assert len(lines) == max(1, len(page.splitlines()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["x" * MIB, "x\n" * (MIB // 2), "\n" * MIB, "a,b," * (MIB // 4), "#\n" * (MIB // 2), "aB" * (MIB // 2), '"' * MIB],
)
def test_long_texts_are_searched_in_limited_time(root, text):
    (root / "t.csv").write_text(text)

    assert "heron" in search(root)


def test_deep_folders_and_many_files_are_searched_within_limits(root, monkeypatch):
    folder = root
    for _ in range(300):
        folder = folder / "d"
        folder.mkdir()
    (folder / "deep.md").write_text("x")
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    for number in range(20):
        (root / f"z{number:02}.md").write_text("x" * 30)

    found = text_files(root)

    assert sum(file.changed[1] for file in found) <= 100
    assert not any("deep" in file.path for file in found)


KEY_FILES_TEXT = (
    "id_rsa id_ed25519 id_ecdsa id_dsa id_ed25519_sk id_rsa.bak id_rsa.old id_rsa~ credentials.json "
    "credentials Credentials.JSON credentials.csv my-credentials.json credentials-prod.yaml "
    "client_secret_123.json client_secrets.json service-account.json my_service_account_key.json "
    "secrets.yaml secrets.toml secret.txt passwords.txt password.csv api_keys.json api-key.txt apikey.txt "
    "keys.txt token.json tokens.txt server.pem server.key private.key ca.p12 cert.pfx store.jks "
    "vault.kdbx putty.ppk kubeconfig kubeconfig.yaml prod.env terraform.tfvars terraform.tfstate "
    "application_default_credentials.json jupyter_cookie_secret jupyter_server_config.json wp-config.php "
    "netrc htpasswd key.age private_key.txt access_token.txt AuthKey_ABC.p8 secrets.ini.bak master.key "
    "db_password.txt root.token"
)
KEY_FILES = KEY_FILES_TEXT.split()
HIDDEN_KEY_FILES_TEXT = (
    ".env .env.local .netrc .pypirc .npmrc .git-credentials .pgpass .my.cnf .htpasswd .aws/credentials "
    ".aws/config .ssh/id_rsa .kube/config .docker/config.json .azure/accessTokens.json"
)
HIDDEN_KEY_FILES = HIDDEN_KEY_FILES_TEXT.split()
READ_TEXT = (
    "id_rsa.pub known_hosts keyboard.md keys.py secrets.py credentials.md password_policy.md "
    "tokenizer.json tokens.py monkey.txt public.txt secretary.csv environment.yml config.yaml "
    "token_counts.csv keynote.txt passwordless-login.txt api_keys_rotation.md compass.json turkey.txt "
    "auth.py settings.toml"
)
READ = READ_TEXT.split()


@pytest.mark.parametrize("name", KEY_FILES)
def test_files_with_keys_are_not_read_searched_or_listed(root, name):
    (root / name).write_text("kingfisher Tr0ub4dor")
    (root / "alias.md").symlink_to(root / name)

    for path in (name, f"./{name}", "alias.md", str(root / name)):
        with pytest.raises(ToolFailed, match="keys or passwords"):
            read(root, path)
    assert "Tr0ub4dor" not in search(root, "kingfisher")
    listed = read(root, ".")
    assert name not in listed
    assert "plan.md" in listed
    assert "what may hold keys or passwords is not read" in listed
    assert count_key_files(root, root) == 2


@pytest.mark.parametrize("name", HIDDEN_KEY_FILES)
def test_hidden_files_with_keys_are_refused(root, name):
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("kingfisher Tr0ub4dor")

    with pytest.raises(ToolFailed, match="hidden"):
        read(root, name)
    assert "Tr0ub4dor" not in search(root, "kingfisher")
    assert read(root, ".") == "The folder holds 1 file: plan.md."


@pytest.mark.parametrize("name", READ)
def test_files_whose_names_only_resemble_keys_are_read(root, name):
    (root / name).write_text("A kingfisher.")

    assert not holds_keys((root / name).relative_to(root))
    assert read(root, name).endswith("A kingfisher.")


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n",
        "\n-----BEGIN RSA PRIVATE KEY-----\nabc\n",
        "PuTTY-User-Key-File-3: ssh-ed25519\n",
        '{\n  "type": "service_account",\n  "private_key": "x"}',
    ],
)
def test_a_key_is_not_read_regardless_of_the_files_name(root, text):
    (root / "notes.txt").write_text(text)

    with pytest.raises(ToolFailed, match="keys or passwords"):
        read(root, "notes.txt")


def test_keys_in_other_files_are_masked(root):
    key = "ghp_" + "a1B2" * 9
    (root / "setup.md").write_text(f"Kingfisher: export GITHUB_TOKEN={key}\n")

    for told in (search(root, "kingfisher"), read(root, "setup.md")):
        assert key not in told
        assert "[masked: " in told
