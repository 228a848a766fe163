"""Endpoints about users, API keys and the audit log, under ``/api``."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pipeline.access.chain import parse_head
from pipeline.access.keys import ApiKey
from pipeline.access.roles import SCOPES, Role, User, parse_role
from pipeline.access.users import Account
from pipeline.config.durations import parse_duration
from pipeline.errors import UsageError
from pipeline.web.access import Access
from pipeline.web.auth import current_user, requires
from pipeline.web.problems import described

_ERRORS = described(400, 401, 403, 404, 422, 503)
RoleName = Literal["viewer", "analyst", "operator", "admin"]
UserName = Annotated[str, Path(description="Name of a user")]
KeyId = Annotated[str, Path(description="Id of a key, 12 hexadecimal digits")]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MeOut(BaseModel):
    """Who asks."""

    name: str
    role: RoleName
    how: Literal["local", "session", "key", "token"] = Field(description="What proved it")


class UserOut(BaseModel):
    """A user."""

    name: str
    role: RoleName
    created_ms: int
    changed_ms: int


class UserAsked(_Asked):
    """A new user."""

    name: str
    role: RoleName = "viewer"
    password: str


class UserChange(_Asked):
    """What to change of a user; the user's sessions end."""

    role: RoleName | None = None
    password: str | None = None


class KeyOut(BaseModel):
    """An API key without its secret."""

    id: str
    owner: str
    label: str
    scope: str
    created_ms: int
    expires_ms: int
    used_ms: int | None


class NewKeyOut(KeyOut):
    """A new API key with its text, which is shown this once."""

    key: str


class KeyAsked(_Asked):
    """A new API key."""

    owner: str
    scope: str = Field(default="read", description=f"One of {', '.join(SCOPES)}; never more than the owner may")
    label: str = Field(default="", max_length=200)
    lifetime: str = Field(default="90d", description="How long it counts, at most 366d")


class AuditOut(BaseModel):
    """Records of the audit log, newest first, each with the hash of the one before."""

    records: list[dict[str, Any]]
    next_before: int | None


class VerdictOut(BaseModel):
    """Whether the audit log is as it was written."""

    is_whole: bool
    records: int = Field(description="Records from the first on that are as they were written")
    head: str = Field(description="Hash of the last of them")
    sealed: int = Field(description="How many of them have a seal that was checked")
    broken: int | None = Field(description="Number of the first record that is not as it was written")
    reason: str


def build_access_api(access: Access) -> APIRouter:
    """The endpoints over the users, keys and audit log of a view."""
    router = APIRouter(prefix="/api", responses=_ERRORS)
    admin = APIRouter(dependencies=[Depends(requires(Role.ADMIN))])

    @router.get("/me", tags=["access"])
    async def read_me(user: Annotated[User, Depends(current_user)]) -> MeOut:
        """Who asks, with which role, and what proved it."""
        return MeOut.model_validate({"name": user.name, "role": user.role.label, "how": user.how})

    _add_users(admin, access)
    _add_keys(admin, access)
    _add_audit(admin, access)
    router.include_router(admin)
    return router


def _add_users(router: APIRouter, access: Access) -> None:
    @router.get("/users", tags=["access"])
    async def list_users() -> list[UserOut]:
        """Every user, by name."""
        return [_user(account) for account in access.users.all()]

    @router.post("/users", tags=["access"], status_code=201)
    async def add_user(request: Request, asked: UserAsked) -> UserOut:
        """Add a user."""
        by, role = access.acting(request), parse_role(asked.role)
        async with access.hashing:
            return _user(await asyncio.to_thread(access.users.add, asked.name, role, asked.password, by=by))

    @router.patch("/users/{name}", tags=["access"])
    async def change_user(request: Request, name: UserName, asked: UserChange) -> UserOut:
        """Change a user's role or password. The own role stays, so that an admin is left."""
        _known(access, name)
        by = access.acting(request)
        if asked.role is not None:
            _not_self(request, name)
            access.users.set_role(name, parse_role(asked.role), by=by)
        if asked.password is not None:
            async with access.hashing:
                await asyncio.to_thread(access.users.set_password, name, asked.password, by=by)
        return _user(_known(access, name))

    @router.delete("/users/{name}", tags=["access"], status_code=204)
    async def remove_user(request: Request, name: UserName) -> None:
        """Remove a user with keys and sessions. Nobody removes the own user, so that an admin is left."""
        _known(access, name)
        _not_self(request, name)
        access.users.remove(name, by=access.acting(request))


def _add_keys(router: APIRouter, access: Access) -> None:
    @router.get("/keys", tags=["access"])
    async def list_keys() -> list[KeyOut]:
        """Every API key that was not revoked, oldest first."""
        return [KeyOut(**key._asdict()) for key in access.keys.all()]

    @router.post("/keys", tags=["access"], status_code=201)
    async def add_key(request: Request, asked: KeyAsked) -> NewKeyOut:
        """Make an API key. Its text is in this answer and nowhere else."""
        try:
            lifetime_ms = parse_duration(asked.lifetime)
        except ValueError as error:
            raise UsageError(f"lifetime: {error}") from error
        by = access.acting(request)
        made: tuple[ApiKey, str] = access.keys.add(
            asked.owner, asked.scope, label=asked.label, lifetime_ms=lifetime_ms, by=by
        )
        return NewKeyOut(**made[0]._asdict(), key=made[1])

    @router.delete("/keys/{key_id}", tags=["access"], status_code=204)
    async def revoke_key(request: Request, key_id: KeyId) -> None:
        """End an API key at once."""
        if key_id not in {key.id for key in access.keys.all()}:
            raise HTTPException(404, f"there is no key '{key_id}'")
        access.keys.revoke(key_id, by=access.acting(request))


def _add_audit(router: APIRouter, access: Access) -> None:
    @router.get("/audit", tags=["access"])
    async def read_audit(
        limit: Annotated[int, Query(ge=1, le=1_000, description="How many")] = 100,
        before: Annotated[int | None, Query(ge=0, lt=1 << 62, description="`next_before` of the page before")] = None,
    ) -> AuditOut:
        """Records of the audit log, newest first; go on with `before`."""
        records = access.log.newest(limit, before=before)
        more = records[-1].get("number") if len(records) == limit else None
        return AuditOut(records=records, next_before=more)

    @router.get("/audit/verify", tags=["access"])
    async def verify_audit(
        head: Annotated[str | None, Query(description="A head that was printed before, `NUMBER:HASH`")] = None,
    ) -> VerdictOut:
        """Check the whole audit log."""
        known = [] if head is None else [parse_head(head)]
        found = await asyncio.to_thread(access.log.verify, known)
        return VerdictOut(
            is_whole=found.broken is None,
            records=found.head.number,
            head=found.head.hash,
            sealed=found.sealed,
            broken=found.broken,
            reason=found.reason,
        )


def _user(account: Account) -> UserOut:
    return UserOut.model_validate({**account._asdict(), "role": account.role.label})


def _known(access: Access, name: str) -> Account:
    account = access.users.get(name)
    if account is None:
        raise HTTPException(404, f"there is no user '{name}'")
    return account


def _not_self(request: Request, name: str) -> None:
    if request.state.user.name == name and request.state.user.how != "token":
        raise UsageError("nobody removes the own user or changes the own role; let another admin do it")
