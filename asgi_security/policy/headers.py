"""Decides which security headers a response carries: the configuration and its profiles.

Source: RFC 6797, CSP Level 3, HTML (COOP, COEP, Origin-Agent-Cluster, X-Frame-Options), Fetch
(CORP, nosniff), Referrer Policy, and the OWASP Secure Headers Project for what to strip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, cast

from asgi_security.errors import ConfigError
from asgi_security.policy.csp import ContentSecurityPolicy, check_report_only
from asgi_security.policy.directives import freeze_names, freeze_pairs
from asgi_security.policy.header_names import (
    CHOICES,
    FIELDS,
    NAMES,
    REFERRER_POLICIES,
    check_lines,
)
from asgi_security.policy.hsts import Hsts
from asgi_security.policy.profiles import (
    API,
    DOCUMENTATION,
    PRACTICAL_CSP,
    PRACTICAL_HSTS,
    REVEALING,
    STRICT,
    read_permissions,
)
from asgi_security.policy.reporting import build_reporting_endpoints, check_endpoints
from asgi_security.validation import Findings, configuration

if TYPE_CHECKING:
    from collections.abc import Callable

    from asgi_security.errors import Problem
    from asgi_security.policy.cors_config import CorsConfig
    from asgi_security.policy.permissions import PermissionsPolicy

CspLike: TypeAlias = ContentSecurityPolicy | str | Mapping[str, Sequence[str]] | None
PermissionsLike: TypeAlias = "PermissionsPolicy | str | Mapping[str, Sequence[str]] | None"
Texts: TypeAlias = Mapping[str, str] | tuple[tuple[str, str], ...]
Overrides: TypeAlias = Mapping[str, str | None] | tuple[tuple[str, str | None], ...]

_CSPS = ("csp", "csp_report_only")
_READERS: dict[str, Callable[[object], object]] = {
    "hsts": Hsts.from_value,
    "csp": ContentSecurityPolicy.from_value,
    "csp_report_only": ContentSecurityPolicy.from_value,
    "permissions_policy": read_permissions,
}


@configuration
class SecurityHeadersConfig:
    """Which headers to send, and what to do where the app has sent its own.

    Each header has a field that holds its value as it is sent; None sends none. Without
    arguments it is the practical profile, whose first six values are those of the guide.

    Attributes:
        hsts: sent over https and wss only. `hsts_preload` adds or strips `preload`; None keeps.
        csp: a `ContentSecurityPolicy`, its text, or its directives; `NONCE` is the source that
            stands for `current().csp_nonce`, which is read before the response starts.
        connect_origins: whom pages may connect to, by fetch and by WebSocket, besides what both
            policies' `connect-src` says: patterns as in `CorsConfig.allow_origins`, or the very
            `CorsConfig`, with all its paths, whose origins are thus listed once. Kept as patterns.
        csp_applies_to: "documents" leaves both policies out of responses that no browser would
            run scripts in, judged by their content type.
        resource_policy_follows_cors: lets `harden` send the CORP `cross-origin` if its `cors` is
            open to everyone (`*`) on all paths: what any page may read, any page may embed. A
            policy that names origins changes nothing, since CORP does not stop who asks by CORS.
        cross_origin_isolated: sends COOP, COEP and CORP so that the page is isolated. Off by
            default, as are COEP and its kin: third-party embeds break.
        reporting_endpoints: names that `report-to` may use, with their https URLs.
        merge: "keep" lets the app's header stand, "enforce" replaces it, "append" is "keep" but
            sends both CSPs, so that only what both allow is allowed.
        overrides: headers that win over the app and over the fields, by name in any case; None
            removes the header, the app's too. Checked as the field would be.
        extra: further headers, sent where the app has not.
        remove: names that are stripped from the app's response.
        no_store_private: sends `Cache-Control: no-store` with what depends on a credential, if
            the app does not say how to cache it.
    """

    hsts: Hsts | str | None = PRACTICAL_HSTS
    csp: CspLike = PRACTICAL_CSP
    frame_options: str | None = "DENY"
    content_type_options: str | None = "nosniff"
    referrer_policy: str | None = "strict-origin-when-cross-origin"
    xss_protection: str | None = "0"
    cross_origin_opener_policy: str | None = "same-origin"
    cross_origin_resource_policy: str | None = "same-origin"
    origin_agent_cluster: str | None = "?1"
    permitted_cross_domain_policies: str | None = "none"
    cross_origin_embedder_policy: str | None = None
    permissions_policy: PermissionsLike = None
    dns_prefetch_control: str | None = None
    csp_report_only: CspLike = None
    reporting_endpoints: Texts = ()
    hsts_preload: bool | None = None
    connect_origins: Sequence[str] | CorsConfig = ()
    csp_applies_to: Literal["all", "documents"] = "all"
    resource_policy_follows_cors: bool = False
    cross_origin_isolated: bool = False
    merge: Literal["keep", "enforce", "append"] = "keep"
    overrides: Overrides = ()
    extra: Texts = ()
    remove: Sequence[str] = REVEALING
    no_store_private: bool = True

    def __post_init__(self) -> None:
        findings = Findings("SecurityHeadersConfig")
        for name in ("overrides", "extra", "reporting_endpoints"):
            lower = name != "reporting_endpoints"
            pairs = freeze_pairs(findings, name, getattr(self, name), lower=lower)
            self._set(name, pairs)
        remove = freeze_names(findings, "remove", self.remove)
        self._set("remove", tuple(name.lower() for name in remove))
        check_lines(
            findings, remove=self.remove, overrides=dict(self.overrides), extra=dict(self.extra)
        )
        for name, value in dict(self.overrides).items():
            if name in FIELDS:
                self._set(FIELDS[name], () if name == "reporting-endpoints" else value)
        for name, read in _READERS.items():
            self._read(findings, name, read)
        self._connect(findings)
        self._isolate(findings)
        self._preload(findings)
        for name, (_, choices) in CHOICES.items():
            findings.check_choice(name, getattr(self, name), (None, *choices))
        self._check_referrer(findings)
        self._check_reporting(findings)
        findings.check_choice("merge", self.merge, ("keep", "enforce", "append"))
        findings.check_choice("csp_applies_to", self.csp_applies_to, ("all", "documents"))
        findings.check_choice("hsts_preload", self.hsts_preload, (None, True, False))
        for name in ("cross_origin_isolated", "resource_policy_follows_cors"):
            findings.check_boolean(name, getattr(self, name))
        findings.check_boolean("no_store_private", self.no_store_private)
        findings.raise_if_any()

    @classmethod
    def practical(cls, **changes: Any) -> Self:
        """Give the default: documentation pages and inline scripts work, nothing is framed."""
        return cls(**changes)

    @classmethod
    def documentation(cls, **changes: Any) -> Self:
        """Give the default, widened for all that FastAPI's documentation pages load.

        The practical policy is the guide's to the letter, and stops the fonts and the search of
        its ReDoc page.
        """
        return cls(**{**DOCUMENTATION, **changes})

    @classmethod
    def strict(cls, **changes: Any) -> Self:
        """Give what the scanners mark best: every script carries `current().csp_nonce`.

        Pages with inline styles, or with scripts without the nonce, need changes first.
        """
        return cls(**{**STRICT, **changes})

    @classmethod
    def api(cls, **changes: Any) -> Self:
        """Give what answers without pages need; documentation pages do not work under it.

        Its CORP follows the CORS policy that `harden` is given, unless `changes` name one.
        """
        follows = "cross_origin_resource_policy" not in changes
        return cls(**{**API, "resource_policy_follows_cors": follows, **changes})

    def following(self, cors: CorsConfig | None) -> Self:
        """Give this configuration as it is beside a CORS policy; see the field for what changes."""
        if cors is None or not self.resource_policy_follows_cors:
            return self
        policies = (cors, *(policy for _, policy in cors.policies))
        public = all("*" in policy.allow_origins for policy in policies)
        return replace(self, cross_origin_resource_policy="cross-origin") if public else self

    def policies(self) -> dict[str, ContentSecurityPolicy]:
        """Return the policies as they are sent, by field, `connect_origins` among their sources."""
        held = {name: getattr(self, name) for name in _CSPS}
        found = {name: policy for name, policy in held.items() if policy is not None}
        if not self.connect_origins:
            return found
        from asgi_security.policy import csp_connect  # noqa: PLC0415 -- only who connects pays

        origins = cast("tuple[str, ...]", self.connect_origins)
        return {
            name: csp_connect.allow_connections(policy, origins) for name, policy in found.items()
        }

    def texts(self) -> dict[str, str]:
        """Return the value of every header that is sent, by lower-case name, in order.

        A policy with a nonce holds `NONCE` in its place.
        """
        found: dict[str, str] = {}
        policies = self.policies()
        for field, name in NAMES.items():
            value: Any = policies.get(field) or getattr(self, field)
            if field == "reporting_endpoints":
                value = build_reporting_endpoints(value)
            if value:
                found[name] = value if isinstance(value, str) else value.text
        free = {**dict(self.extra), **dict(self.overrides)}
        return found | {name: text for name, text in free.items() if text and name not in FIELDS}

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _read(self, findings: Findings, name: str, read: Callable[[object], object]) -> None:
        value = getattr(self, name)
        if value is not None:
            try:
                self._set(name, read(value))
            except ConfigError as error:
                findings.extend(error, prefix=f"{name}.")

    def _connect(self, findings: Findings) -> None:
        if self.connect_origins == ():
            return
        from asgi_security.policy import csp_connect  # noqa: PLC0415 -- only who connects pays

        origins = csp_connect.freeze_connect_origins(findings, self.connect_origins)
        self._set("connect_origins", origins)
        if origins and (self.csp is None or isinstance(self.csp, ContentSecurityPolicy)):
            csp_connect.check_is_restricted(findings, self.csp)

    def _isolate(self, findings: Findings) -> None:
        if self.cross_origin_isolated is not True:
            return
        if self.cross_origin_embedder_policy == "unsafe-none":
            hint = "give 'require-corp' or 'credentialless'"
            findings.add("cross_origin_embedder_policy", "unsafe-none", "isolates nothing", hint)
        opener = self.cross_origin_opener_policy
        if opener not in (None, "same-origin"):
            hint = "give 'same-origin', or drop cross_origin_isolated"
            findings.add("cross_origin_opener_policy", opener, "isolates nothing", hint)
            return
        self._set("cross_origin_opener_policy", "same-origin")
        for name, value in (("embedder", "require-corp"), ("resource", "same-origin")):
            field = f"cross_origin_{name}_policy"
            self._set(field, getattr(self, field) or value)

    def _preload(self, findings: Findings) -> None:
        preload, hsts = self.hsts_preload, self.hsts
        if hsts is None and preload is True:
            hint = "give hsts, or drop hsts_preload"
            findings.add("hsts_preload", preload, "nothing to preload", hint)
        if not isinstance(preload, bool) or not isinstance(hsts, Hsts):
            return
        try:
            self._set("hsts", hsts.with_preload(preload=preload))
        except ConfigError as error:
            findings.extend(error, prefix="hsts.")

    def _check_referrer(self, findings: Findings) -> None:
        value = self.referrer_policy
        words = value.split(",") if isinstance(value, str) else [value]
        for word in words:
            bare = word.strip(" ") if isinstance(word, str) else word
            findings.check_choice("referrer_policy", bare, (None, *REFERRER_POLICIES))

    def _check_reporting(self, findings: Findings) -> None:
        known = dict(self.reporting_endpoints)
        check_endpoints(findings, known)
        for field in _CSPS:
            policy = getattr(self, field)
            if isinstance(policy, ContentSecurityPolicy):
                for group in policy.report_groups:
                    if group not in known:
                        hint = f"add {{{group!r}: 'https://...'}} to reporting_endpoints"
                        findings.add(f"{field}.report-to", group, "no endpoint of that name", hint)


def check_headers(config: SecurityHeadersConfig) -> tuple[Problem, ...]:
    """Check a valid configuration for what has less effect than its author may think."""
    policy = config.csp_report_only
    return check_report_only(policy) if isinstance(policy, ContentSecurityPolicy) else ()
