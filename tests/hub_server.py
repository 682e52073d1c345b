"""A Hub on loopback: it speaks what the installed huggingface_hub and datasets speak, over HTTP.

Repositories are kept in memory, every commit as a whole. Files over REGULAR bytes, and those whose
names say that they are weights or tables, go through LFS, and only what was uploaded and verified
can be committed. `fail` makes the next requests that match go wrong.
"""

import base64
import hashlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

REGULAR = 1 << 20
LFS = "*.safetensors", "*.parquet", "*.skops", "*.npy", "*.npz", "*.bin"
TYPES = {"models": "model", "datasets": "dataset", "spaces": "space"}
TOKEN, USER = "hf_of_the_test", "somebody"


@dataclass
class Repo:
    id: str
    type: str
    private: bool = False
    gated: bool = False
    sdk: str | None = None
    commits: dict = field(default_factory=dict)  # oid -> {path: bytes}
    branches: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)

    def __post_init__(self):
        self.add({}, "main", "initial commit")

    def add(self, files, branch, title):
        told = f"{self.id} {len(self.commits)} {title}".encode()
        oid = hashlib.sha1(told).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def oid(self, revision):
        """The commit of a branch, a tag or a commit's own id; None where there is none."""
        for known in (self.branches, self.tags, dict.fromkeys(self.commits)):
            if revision in known:
                return known[revision] or revision
        return None

    @property
    def files(self):
        """path -> bytes, as the main branch has them."""
        return self.commits[self.branches["main"]]


@dataclass
class Fault:
    """What goes wrong with the next `times` requests of a method and path.

    status, headers: the answer. drop: the connection ends in the middle of what is sent, or
    before the answer where nothing is. wrong: the bytes of the answer are others. delay: seconds
    before it is answered rightly.
    """

    method: str
    path: str
    status: int | None = None
    headers: dict = field(default_factory=dict)
    drop: bool = False
    wrong: bool = False
    delay: float = 0.0
    times: int = 1
    after: bool = False  # it is done all the same, and only its answer is lost
    met: int = 0


class HubServer:
    """Use as a context manager; `url` is what HF_ENDPOINT is set to."""

    def __init__(self):
        self.repos, self.collections, self.objects = {}, {}, {}
        self.faults, self.requests = [], []
        self.lock = threading.RLock()

    def __enter__(self):
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def fail(self, method, path, **how):
        """Add and return a Fault; `path` is a regular expression that is searched for."""
        self.faults.append(Fault(method, path, **how))
        return self.faults[-1]

    def fault(self, method, path):
        with self.lock:
            for fault in self.faults:
                meant = fault.method == method and re.search(fault.path, path)
                if meant and fault.met < fault.times:
                    fault.met += 1
                    return fault
        return None

    def repo(self, repo_id, kind="model"):
        return self.repos[kind, repo_id]

    def asked(self, method, path):
        """How often a method and path were asked for."""
        return sum(m == method and bool(re.search(path, p)) for m, p, _ in self.requests)


class _Refused(Exception):
    def __init__(self, status, code=None, message="", **more):
        self.status, self.code, self.message, self.more = status, code, message, more


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._serve("GET")

    def do_HEAD(self):
        self._serve("HEAD")

    def do_POST(self):
        self._serve("POST")

    def do_PUT(self):
        self._serve("PUT")

    def do_PATCH(self):
        self._serve("PATCH")

    def do_DELETE(self):
        self._serve("DELETE")

    def _serve(self, method):
        asked = urlsplit(self.path)
        self.where, self.query = unquote(asked.path), parse_qs(asked.query, True)
        self.hub.requests.append((method, self.where, dict(self.headers)))
        fault = self.hub.fault(method, self.where)
        if fault and fault.drop and method in ("POST", "PUT") and not fault.after:
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
            self._hang_up()
            return
        self.body = self._read()
        if fault and fault.delay:
            time.sleep(fault.delay)
        if fault and fault.status and not fault.after:
            self._send(fault.status, {"error": "as the test wants"}, fault.headers)
            return
        try:
            with self.hub.lock:
                answer = self._route(method)
        except _Refused as refused:
            headers = {"X-Error-Code": refused.code} if refused.code else {}
            if refused.message:
                headers["X-Error-Message"] = refused.message
            self._send(refused.status, {"error": refused.message, **refused.more}, headers)
            return
        if fault and fault.after:
            if fault.drop:
                self._hang_up()
            else:
                self._send(fault.status, {"error": "as the test wants"}, fault.headers)
            return
        body, headers, status = (
            (*answer, {}, 200)[:3]
            if isinstance(answer, tuple)
            else (
                answer,
                {},
                200,
            )
        )
        if fault and fault.wrong:
            body = bytes(255 - b for b in body)
        self._send(status, body, headers, drop=bool(fault and fault.drop))

    def _read(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _hang_up(self):
        self.close_connection = True
        self.connection.close()

    def _send(self, status, body, headers=None, drop=False):
        raw = isinstance(body, bytes)
        data = body if raw else json.dumps(body).encode()
        headers = dict(headers or {})
        length = headers.pop("Content-Length", len(data))
        kind = "application/octet-stream" if raw else "application/json"
        self.send_response(status)
        self.send_header("Content-Type", headers.pop("Content-Type", kind))
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if drop else data)
        if drop:
            self.wfile.flush()
            self._hang_up()

    # Who may do what

    def _known(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _must_write(self):
        given = self.headers.get("Authorization")
        if given is None:
            raise _Refused(401, message="Invalid username or password.")
        if not self._known():
            raise _Refused(401, message="Invalid credentials in Authorization header")

    def _repo(self, kind, repo_id, write=False):
        if write:
            self._must_write()
        repo = self.hub.repos.get((kind, repo_id))
        if repo is None or (repo.private and not self._known()):
            raise _Refused(404 if self._known() else 401, "RepoNotFound", "Repository not found")
        if write and repo_id.split("/")[0] != USER:
            raise _Refused(403, message="You don't have the rights to create a commit here")
        return repo

    def _at(self, repo, revision):
        oid = repo.oid(revision)
        if oid is None:
            raise _Refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return oid, repo.commits[oid]

    # What is asked for

    def _route(self, method):
        for way, pattern, answer in ROUTES:
            if way == method and (found := re.fullmatch(pattern, self.where)):
                return answer(self, **found.groupdict())
        raise _Refused(404, message=f"The test's Hub doesn't know {method} {self.where}")

    def whoami(self):
        self._must_write()
        access = {"type": "access_token", "accessToken": {"role": "write"}}
        return {"type": "user", "name": USER, "fullname": USER, "orgs": [], "auth": access}

    def create(self):
        self._must_write()
        told = json.loads(self.body)
        kind = told.get("type") or "model"
        repo_id = f"{told.get('organization') or USER}/{told['name']}"
        if repo_id.split("/")[0] != USER:
            raise _Refused(403, message=f"You don't have the rights to create {repo_id}")
        prefix = "" if kind == "model" else f"{kind}s/"
        url = f"{self.hub.url}/{prefix}{repo_id}"
        if (kind, repo_id) in self.hub.repos:
            raise _Refused(409, message="You already created this repo", url=url)
        private = told.get("visibility") == "private" or bool(told.get("private"))
        self.hub.repos[kind, repo_id] = Repo(repo_id, kind, private, sdk=told.get("sdk"))
        return {"url": url, "name": repo_id, "id": repo_id}

    def validate(self):
        import yaml

        content = json.loads(self.body)["content"]
        found = re.match(r"---\n(.*?)\n---", content, re.S)
        errors = [] if found else [{"message": "no front matter"}]
        if found and not isinstance(yaml.safe_load(found[1]), dict):
            errors = [{"message": "front matter is no mapping"}]
        return {"errors": errors, "warnings": []}

    def preupload(self, types, repo_id, revision):
        repo = self._repo(TYPES[types], repo_id, write=True)
        _, files = self._at(repo, revision)
        told = []
        for file in json.loads(self.body)["files"]:
            name, there = file["path"], files.get(file["path"])
            mode = "lfs" if _is_lfs(name, file["size"]) else "regular"
            oid = there if there is None else _oid(name, there)
            told.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": told}

    def batch(self, prefix, repo_id):
        self._repo(_kind(prefix), repo_id, write=True)
        told = []
        for each in json.loads(self.body)["objects"]:
            entry = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.objects:  # else it is there already
                entry["actions"] = {
                    "upload": {"href": f"{self.hub.url}/lfs/{each['oid']}"},
                    "verify": {"href": f"{self.hub.url}/lfs/{each['oid']}/verify"},
                }
            told.append(entry)
        return {"transfer": "basic", "objects": told}

    def put(self, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _Refused(400, message="The content is not what its name says")
        self.hub.objects[oid] = self.body
        return b""

    def verify(self, oid):
        if oid not in self.hub.objects:
            raise _Refused(404, message="Nothing was uploaded")
        return {}

    def commit(self, types, repo_id, revision):
        repo = self._repo(TYPES[types], repo_id, write=True)
        oid, files = self._at(repo, revision)
        files, title = dict(files), ""
        for line in self.body.splitlines():
            told = json.loads(line)
            value = told["value"]
            match told["key"]:
                case "header":
                    title = value["summary"]
                    if value.get("parentCommit") not in (None, oid):
                        raise _Refused(412, message="A commit has happened since")
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    if value["oid"] not in self.hub.objects:
                        raise _Refused(400, message=f"{value['path']} was never uploaded")
                    files[value["path"]] = self.hub.objects[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
                case "deletedFolder":
                    files = {p: b for p, b in files.items() if not p.startswith(value["path"])}
        oid = repo.add(files, revision, title)
        return {"commitOid": oid, "commitUrl": f"{self.hub.url}/{repo_id}/commit/{oid}"}

    def info(self, types, repo_id, revision="main"):
        repo = self._repo(TYPES[types], repo_id)
        oid, files = self._at(repo, revision)
        return {
            **{"_id": repo.id, "id": repo.id, "sha": oid, "private": repo.private},
            **{"gated": "manual" if repo.gated else False, "disabled": False, "tags": []},
            **{"downloads": 0, "likes": 0, "sdk": repo.sdk},
            "lastModified": "2026-01-01T00:00:00.000Z",
            "siblings": [{"rfilename": name} for name in sorted(files)],
        }

    def tree(self, types, repo_id, revision, path=""):
        _, files = self._at(self._repo(TYPES[types], repo_id), revision)
        start = f"{path}/" if path else ""
        below = {n: b for n, b in files.items() if n.startswith(start)}
        if path and not below:
            raise _Refused(404, "EntryNotFound", f"{path} does not exist")
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        told, folders = [], set()
        for name, content in sorted(below.items()):
            *above, _ = name[len(start) :].split("/")
            folders |= {start + "/".join(above[: k + 1]) for k in range(len(above) if deep else 1)}
            if deep or not above:
                told.append(_entry(name, content))
        folders.discard(start.rstrip("/") if not start else "")
        folders = {f for f in folders if f not in files and f.rstrip("/") != path}
        return [
            {"type": "directory", "path": f, "size": 0, "oid": "0" * 40} for f in folders
        ] + told

    def paths_info(self, types, repo_id, revision):
        _, files = self._at(self._repo(TYPES[types], repo_id), revision)
        if self.headers.get("Content-Type", "").startswith("application/json"):
            paths = json.loads(self.body)["paths"]
        else:
            paths = parse_qs(self.body.decode()).get("paths", [])
        told = []
        for path in paths:
            if path in files:
                told.append(_entry(path, files[path]))
            elif any(name.startswith(f"{path}/") for name in files):
                told.append({"type": "directory", "path": path, "size": 0, "oid": "0" * 40})
        return told

    def resolve(self, prefix, repo_id, revision, path):
        repo = self._repo(_kind(prefix), repo_id)
        if repo.gated:
            raise _Refused(
                403, "GatedRepo", f"Access to {repo_id} is restricted and you must be authorised."
            )
        oid, files = self._at(repo, revision)
        if path not in files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": oid}
            return {"error": "Entry not found"}, headers, 404
        content, headers = files[path], {"X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        tag, length = _oid(path, content), len(content)
        headers["ETag"] = f'"{tag}"'
        if _is_lfs(path, length):
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(length)}
        status = 200
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(asked[1]), int(asked[2] or length - 1)
            content, status = content[start : end + 1], 206
            headers["Content-Range"] = f"bytes {start}-{end}/{length}"
        headers["Content-Length"] = str(len(content))
        return content, headers, status

    def refs(self, types, repo_id):
        repo = self._repo(TYPES[types], repo_id)

        def told(kind, known):
            return [
                {"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": o} for n, o in known.items()
            ]

        return {
            **{"branches": told("heads", repo.branches), "tags": told("tags", repo.tags)},
            "converts": [],
        }

    def tag(self, types, repo_id, revision):
        repo = self._repo(TYPES[types], repo_id, write=True)
        name = json.loads(self.body)["tag"]
        if name in repo.tags:
            raise _Refused(409, message=f"Tag {name} exists")
        repo.tags[name] = self._at(repo, revision)[0]
        return {}

    # Collections

    def new_collection(self):
        self._must_write()
        told = json.loads(self.body)
        slug = (
            f"{told['namespace']}/{re.sub('[^a-z0-9]+', '-', told['title'].lower())}-0123456789ab"
        )
        if slug in self.hub.collections:
            raise _Refused(409, message="This collection exists", slug=slug)
        self.hub.collections[slug] = {
            **{"slug": slug, "title": told["title"], "private": told.get("private", False)},
            **{"owner": {"name": told["namespace"]}, "items": [], "theme": "blue", "upvotes": 0},
            **{"description": told.get("description"), "position": 0},
            "lastUpdated": "2026-01-01T00:00:00.000Z",
        }
        return self.hub.collections[slug]

    def collection(self, slug):
        if slug not in self.hub.collections:
            raise _Refused(404, message="No such collection")
        return self.hub.collections[slug]

    def add_item(self, slug):
        self._must_write()
        collection, told = self.collection(slug), json.loads(self.body)
        item = told["item"]
        if (item["type"], item["id"]) not in self.hub.repos:
            raise _Refused(404, "RepoNotFound", "Repository not found")
        if any((i["type"], i["id"]) == (item["type"], item["id"]) for i in collection["items"]):
            raise _Refused(409, message="It is in the collection already")
        position = len(collection["items"])
        collection["items"].append(
            {
                **{"_id": str(position), "id": item["id"], "type": item["type"]},
                **{"repoType": item["type"], "position": position, "note": told.get("note")},
            }
        )
        return collection


def _is_lfs(name, size):
    return size > REGULAR or any(fnmatch(name.rpartition("/")[2], p) for p in LFS)


def _oid(name, content):
    if _is_lfs(name, len(content)):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _entry(name, content):
    entry = {"type": "file", "path": name, "size": len(content), "oid": _oid(name, content)[:40]}
    if _is_lfs(name, len(content)):
        entry["lfs"] = {"oid": _oid(name, content), "size": len(content), "pointerSize": 130}
    return entry


def _kind(prefix):
    return TYPES[prefix.rstrip("/")] if prefix else "model"


_T = r"/api/(?P<types>models|datasets|spaces)/(?P<repo_id>[^/]+/[^/]+)"
_P = r"/(?P<prefix>datasets/|spaces/)?(?P<repo_id>[^/]+/[^/]+?)"
ROUTES = [
    ("GET", r"/api/whoami-v2", _Handler.whoami),
    ("POST", r"/api/repos/create", _Handler.create),
    ("POST", r"/api/validate-yaml", _Handler.validate),
    ("POST", _T + r"/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", _P + r"\.git/info/lfs/objects/batch", _Handler.batch),
    ("PUT", r"/lfs/(?P<oid>\w+)", _Handler.put),
    ("POST", r"/lfs/(?P<oid>\w+)/verify", _Handler.verify),
    ("POST", _T + r"/commit/(?P<revision>.+)", _Handler.commit),
    ("GET", _T, _Handler.info),
    ("GET", _T + r"/revision/(?P<revision>.+)", _Handler.info),
    ("GET", _T + r"/tree/(?P<revision>[^/]+)/?(?P<path>.*)", _Handler.tree),
    ("POST", _T + r"/paths-info/(?P<revision>.+)", _Handler.paths_info),
    ("GET", _T + r"/refs", _Handler.refs),
    ("POST", _T + r"/tag/(?P<revision>.+)", _Handler.tag),
    ("POST", r"/api/collections", _Handler.new_collection),
    ("GET", r"/api/collections/(?P<slug>[^/]+/[^/]+)", _Handler.collection),
    ("POST", r"/api/collections/(?P<slug>[^/]+/[^/]+)/items", _Handler.add_item),
    ("HEAD", _P + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
    ("GET", _P + r"/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
]
