"""Commits that the hub signs, as GitHub signs those that it makes itself, and pushes held to signatures.

The repository keeps a list of what was signed in it. The signature in a commit itself proves nothing; it is there so
that git shows one.
"""

import base64
import hashlib
from collections.abc import Collection, Sequence

from infra.hub.git import BadObject, BareRepository, Identity

GITHUB = Identity("GitHub", "noreply@github.com")
HOOK = """\
#!/bin/sh
# Refuses commits that are not signed, on the branches that ask for signatures.
folder=$(git rev-parse --absolute-git-dir)
asks() {
    while read -r pattern; do
        case "$1" in refs/heads/$pattern) return 0 ;; esac
    done < "$folder/signed-branches"
    return 1
}
result=0
while read -r old new ref; do
    asks "$ref" || continue
    case "$new" in *[!0]*) ;; *) continue ;; esac
    unsigned=$(git rev-list "$new" --not --branches | grep -vxF -f "$folder/signed-commits")
    test -n "$unsigned" || continue
    echo "error: GH013: Repository rule violations found for $ref."
    echo
    echo "- Commits must have verified signatures."
    echo "  Found $(echo "$unsigned" | wc -l) violation:"
    echo
    echo "$unsigned" | sed 's/^/  /'
    echo
    result=1
done
exit $result
"""


def signature_of(payload: bytes) -> str:
    """Write something of a signature's form."""
    proof = base64.b64encode(hashlib.sha256(payload).digest()).decode()
    return f"-----BEGIN PGP SIGNATURE-----\n\n{proof}\n-----END PGP SIGNATURE-----"


class SignedRepository(BareRepository):
    """A bare repository with a list of the commits that the hub signed."""

    def signed(self) -> frozenset[str]:
        try:
            return frozenset((self.path / "signed-commits").read_text().split())
        except FileNotFoundError:
            return frozenset()

    async def seal(self, sha: str) -> str:
        """Make the same commit with a signature, and return its SHA."""
        payload = (await self._git("cat-file", "commit", sha)).stdout
        head, _, message = payload.partition(b"\n\n")
        signature = signature_of(payload).replace("\n", "\n ").encode()
        signed = head + b"\ngpgsig " + signature + b"\n\n" + message
        sealed = (await self._git("hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)).line
        with (self.path / "signed-commits").open("a") as listed:
            listed.write(f"{sealed}\n")
        return sealed

    async def seal_head(self, branch: str, sha: str) -> str:
        """Sign the commit that a branch was just moved to, and move the branch to the signed one."""
        sealed = await self.seal(sha)
        await self.update_ref(f"refs/heads/{branch}", sealed, force=True, old=sha)
        return sealed

    async def unsigned(self, *revisions: str) -> list[str]:
        """List the commits among the revisions (as rev-list takes them) that the hub did not sign."""
        found = await self._git("rev-list", *revisions)
        signed = self.signed()
        return [sha for sha in found.stdout.decode().split() if sha not in signed]

    async def make_commit(
        self, tree: str, parents: Sequence[str], message: str, author: Identity, committer: Identity
    ) -> str:
        """Write a commit of objects that are there. Raises BadObject."""
        for name, kind in [(tree, "tree"), *((parent, "commit") for parent in parents)]:
            if (await self._git("cat-file", "-e", f"{name}^{{{kind}}}", ok=(0, 1, 128))).status:
                raise BadObject(f"{name} is no {kind} here")
        names = {"NAME": "name", "EMAIL": "email"}
        extra = {f"GIT_AUTHOR_{key}": getattr(author, name) for key, name in names.items()}
        extra |= {f"GIT_COMMITTER_{key}": getattr(committer, name) for key, name in names.items()}
        argv = [word for parent in parents for word in ("-p", parent)]
        return (await self._git("commit-tree", tree, *argv, stdin=message.encode(), extra=extra)).line

    async def merge_commit(self, ours: str, theirs: str, message: str, author: Identity) -> str:
        """Write a signed merge of one commit into another, moving no ref. Raises Conflict or BadObject."""
        tree = await self._merged_tree(ours, theirs)
        return await self.seal(await self.make_commit(tree, (ours, theirs), message, author, GITHUB))

    async def is_behind(self, base: str, head: str) -> bool:
        """Tell whether `head` lacks commits of `base`."""
        return not await self._is_ancestor(base, head)

    def ask_for_signatures(self, patterns: Collection[str]) -> None:
        """Refuse pushes of unsigned commits to the branches that match any of the patterns, from now on."""
        hook = self.path / "hooks" / "pre-receive"
        if not patterns:
            hook.unlink(missing_ok=True)
            return
        (self.path / "signed-branches").write_text("".join(f"{pattern}\n" for pattern in sorted(patterns)))
        (self.path / "signed-commits").touch()
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(HOOK)
        hook.chmod(0o755)

    async def _sealed(self, sha: str) -> str:
        return await self.seal(sha)
