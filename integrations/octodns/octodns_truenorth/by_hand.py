"""Steered names that somebody wrote, as dynamic records: for dumps, and for octoDNS's other targets.

Only a name whose pools are tried in order says no more than octoDNS can: one pool, or the step `failover`. Everything else stays out of
octoDNS, and its reason is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The zone's default, and an answer's, see docs/zone-file.md.
NAME_TTL = 30
ANSWERS = 8

NAME_KEYS = {"pools", "steer", "pick", "answers", "fallback", "ttl"}
POOL_KEYS = {"endpoints", "monitor", "datacenter"}
PROTOCOLS = {"http": 80, "https": 443, "tcp": None, "icmp": None}

Tables = Mapping[str, Any]


class Unsaid(ValueError):
    """A name that octoDNS cannot say; the message is the reason."""


def dynamic_records(entries: Tables, zone: Tables) -> list[dict[str, Any]]:
    """Returns the data of the dynamic records, by family, that say what a name says. Raises `Unsaid`."""
    _only(entries, NAME_KEYS, "the name")
    ids = entries.get("pools")
    steer = entries.get("steer")
    in_order = steer == ["failover"] or (steer == [] and len(ids or []) == 1)
    if not in_order or not all(isinstance(pool, str) for pool in ids):
        raise Unsaid("its pools are not tried one after the other")
    pools = {pool: _pool(pool, zone) for pool in ids}
    records = []
    for rtype, is_family in (("A", lambda address: ":" not in address), ("AAAA", lambda address: ":" in address)):
        values = {name: [value for value in pool["values"] if is_family(value["value"])] for name, pool in pools.items()}
        if not any(values.values()):
            continue
        if not all(values.values()):
            raise Unsaid(f"not all of its pools have {rtype} records")
        records.append(_record(rtype, values, entries, zone) | {"octodns": _octodns(entries, pools, zone)})
    return records


def _only(entries: Tables, keys: set[str], what: str) -> None:
    others = entries.keys() - keys
    if others:
        raise Unsaid(f"{what} has {', '.join(sorted(others))}")


def _pool(name: str, zone: Tables) -> dict[str, Any]:
    pool = zone.get("pools", {}).get(name)
    if pool is None or not isinstance(pool.get("endpoints"), list):
        raise Unsaid(f"its pool {name} is not one list of this file")
    _only(pool, POOL_KEYS, f"its pool {name}")
    status = "obey" if "monitor" in pool else "up"
    values = []
    for endpoint in pool["endpoints"]:
        endpoint = {"address": endpoint} if isinstance(endpoint, str) else endpoint
        _only(endpoint, {"address", "weight"}, f"an endpoint of its pool {name}")
        weight = endpoint.get("weight", 1)
        if not 1 <= weight <= 100:
            raise Unsaid(f"its pool {name} has the weight {weight}")
        values.append({"value": endpoint["address"], "weight": weight, "status": status})
    return {"values": values, "monitor": pool.get("monitor")}


def _record(rtype: str, values: Mapping[str, list[dict[str, Any]]], entries: Tables, zone: Tables) -> dict[str, Any]:
    ids = list(values)
    pools = {}
    for pool, fallback in zip(ids, [*ids[1:], None], strict=True):
        here = values[pool]
        # A single value has no share.
        pools[pool] = {"values": here if len(here) > 1 else [here[0] | {"weight": 1}], "fallback": fallback}
    last = []
    if "fallback" in entries:
        fallback = _pool(entries["fallback"], zone)
        if fallback["monitor"]:
            raise Unsaid("its fallback is probed")
        last = [value["value"] for value in fallback["values"] if (":" in value["value"]) == (rtype == "AAAA")]
    # Without a fallback, all are answered when all are down.
    last = last or [value["value"] for here in values.values() for value in here]
    ttl = entries.get("ttl", zone.get("ttl", NAME_TTL))
    return {"type": rtype, "ttl": ttl, "values": last, "dynamic": {"pools": pools, "rules": [{"pool": ids[0]}]}}


def _octodns(entries: Tables, pools: Mapping[str, dict[str, Any]], zone: Tables) -> dict[str, Any]:
    """Returns the health check, and the options that keep what it cannot say."""
    weighted = any(value["weight"] != pool["values"][0]["weight"] for pool in pools.values() for value in pool["values"])
    pick = entries.get("pick", "weighted" if weighted else "rotate")
    if pick not in ("rotate", "weighted") or (pick == "rotate" and weighted):
        raise Unsaid(f"it picks {pick}")
    options: dict[str, Any] = {"answers": entries.get("answers", ANSWERS if pick == "rotate" else 1)}
    monitors = {pool["monitor"] for pool in pools.values() if pool["monitor"]}
    if not monitors:
        return {"truenorth": options}
    if len(monitors) > 1:
        raise Unsaid("its pools have several monitors")
    (name,) = monitors
    monitor = zone.get("monitors", {}).get(name, {})
    if monitor.get("type") not in PROTOCOLS:
        raise Unsaid(f"octoDNS has no health check that is the monitor {name}")
    check = {"protocol": monitor["type"].upper(), "port": monitor.get("port", PROTOCOLS[monitor["type"]]), "host": monitor.get("host")}
    if monitor["type"] in ("http", "https"):
        check["path"] = monitor.get("path", "/")
    check = {key: value for key, value in check.items() if value is not None}
    return {"healthcheck": check, "truenorth": options | {"monitor": name}}
