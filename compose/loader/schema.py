"""The JSON schema of a compose file (compose-spec, and what files of versions 1 to 3 still say).

It describes a document before canonical form: every short syntax is allowed, and numbers and
booleans may be strings, since a variable gives a string. Written as Python so that parts have
names; `SCHEMA` is a plain JSON schema (draft 2020-12). ``x-…`` keys are allowed in every object.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": ["integer", "string"]}
NUMBER: Schema = {"type": ["number", "string"]}
BOOLEAN: Schema = {"type": ["boolean", "string"]}
SCALAR: Schema = {"type": ["string", "number", "boolean", "null"]}
ANY: Schema = {}


def obj(properties: dict[str, Schema], *, required: tuple[str, ...] = (), null: bool = False) -> Schema:
    """A closed object."""
    schema: Schema = {
        "type": ["object", "null"] if null else "object",
        "properties": properties,
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }
    if required:
        schema["required"] = list(required)
    return schema


def mapping(values: Schema, *, null: bool = False) -> Schema:
    """An object with any keys."""
    return {"type": ["object", "null"] if null else "object", "additionalProperties": values}


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def either(*schemas: Schema) -> Schema:
    """One of several shapes."""
    return {"anyOf": list(schemas)}


STRINGS = array(STRING)
SCALARS = array({"type": ["string", "number"]})
STRING_OR_LIST = either(STRING, STRINGS)
COMMAND = either({"type": ["string", "null"]}, STRINGS)
LIST_OR_MAP = either(mapping(SCALAR), array(STRING))
HOSTS = either(mapping(either(STRING, STRINGS)), STRINGS)
FILE_REFERENCES = array(
    either(STRING, obj({"source": STRING, "target": STRING, "uid": STRING, "gid": STRING, "mode": INTEGER}))
)
BLKIO_WEIGHTS = array(obj({"path": STRING, "weight": INTEGER}))
BLKIO_LIMITS = array(obj({"path": STRING, "rate": INTEGER}))
HOOK = obj(
    {
        "command": COMMAND, "user": STRING, "privileged": BOOLEAN, "working_dir": STRING,
        "environment": LIST_OR_MAP, "image": STRING, "per_replica": BOOLEAN,
    }
)  # fmt: skip
ULIMITS = mapping(either(INTEGER, obj({"soft": INTEGER, "hard": INTEGER}, required=("soft", "hard"))))
DEVICE_REQUESTS = array(
    obj(
        {
            "capabilities": STRINGS, "count": INTEGER, "device_ids": STRINGS, "driver": STRING,
            "options": LIST_OR_MAP,
        }
    )
)  # fmt: skip

HEALTHCHECK = obj(
    {
        "disable": BOOLEAN, "interval": STRING, "retries": NUMBER, "test": STRING_OR_LIST,
        "timeout": STRING, "start_period": STRING, "start_interval": STRING,
    }
)  # fmt: skip

BUILD = either(
    STRING,
    obj(
        {
            "context": STRING, "dockerfile": STRING, "dockerfile_inline": STRING, "args": LIST_OR_MAP,
            "additional_contexts": LIST_OR_MAP, "cache_from": STRINGS, "cache_to": STRINGS,
            "entitlements": STRINGS, "extra_hosts": HOSTS, "isolation": STRING, "labels": LIST_OR_MAP,
            "network": STRING, "no_cache": BOOLEAN, "no_cache_filter": STRING_OR_LIST, "platforms": STRINGS,
            "privileged": BOOLEAN, "provenance": {"type": ["string", "boolean"]}, "pull": BOOLEAN,
            "sbom": {"type": ["string", "boolean"]}, "secrets": FILE_REFERENCES, "shm_size": NUMBER,
            "ssh": LIST_OR_MAP, "tags": STRINGS, "target": STRING, "ulimits": ULIMITS,
        }
    ),
)  # fmt: skip

UPDATE = obj(
    {
        "parallelism": INTEGER, "delay": STRING, "failure_action": STRING, "monitor": STRING,
        "max_failure_ratio": NUMBER, "order": {"enum": ["start-first", "stop-first"]},
    }
)  # fmt: skip
GENERIC_RESOURCES = array(obj({"discrete_resource_spec": obj({"kind": STRING, "value": NUMBER})}))
DEPLOY = obj(
    {
        "mode": STRING,
        "endpoint_mode": STRING,
        "replicas": INTEGER,
        "labels": LIST_OR_MAP,
        "update_config": UPDATE,
        "rollback_config": UPDATE,
        "resources": obj(
            {
                "limits": obj({"cpus": NUMBER, "memory": NUMBER, "pids": INTEGER}),
                "reservations": obj(
                    {
                        "cpus": NUMBER, "memory": NUMBER, "generic_resources": GENERIC_RESOURCES,
                        "devices": DEVICE_REQUESTS,
                    }
                ),
            }
        ),
        "restart_policy": obj(
            {"condition": STRING, "delay": STRING, "max_attempts": INTEGER, "window": STRING}
        ),
        "placement": obj(
            {
                "constraints": STRINGS, "max_replicas_per_node": INTEGER,
                "preferences": array(obj({"spread": STRING})),
            }
        ),
    },
    null=True,
)  # fmt: skip

DEVELOP = obj(
    {
        "watch": array(
            obj(
                {
                    "path": STRING, "target": STRING, "ignore": STRING_OR_LIST, "include": STRING_OR_LIST,
                    "initial_sync": BOOLEAN, "exec": HOOK,
                    "action": {"enum": ["rebuild", "sync", "restart", "sync+restart", "sync+exec"]},
                },
                required=("path", "action"),
            )
        )
    },
    null=True,
)  # fmt: skip

SERVICE_NETWORK = obj(
    {
        "aliases": STRINGS, "ipv4_address": STRING, "ipv6_address": STRING, "link_local_ips": STRINGS,
        "mac_address": STRING, "interface_name": STRING, "driver_opts": mapping(SCALAR),
        "priority": NUMBER, "gw_priority": NUMBER,
    },
    null=True,
)  # fmt: skip

PORT = either(
    {"type": ["integer", "number", "string"]},
    obj(
        {
            "name": STRING, "mode": STRING, "host_ip": STRING, "target": INTEGER,
            "published": INTEGER, "protocol": STRING, "app_protocol": STRING,
        },
        required=("target",),
    ),
)  # fmt: skip

MOUNT = either(
    STRING,
    obj(
        {
            "type": {"enum": ["bind", "volume", "tmpfs", "npipe", "cluster", "image"]},
            "source": STRING,
            "target": STRING,
            "read_only": BOOLEAN,
            "consistency": STRING,
            "bind": obj(
                {
                    "propagation": STRING, "create_host_path": BOOLEAN,
                    "recursive": STRING, "selinux": STRING,
                }
            ),
            "volume": obj({"nocopy": BOOLEAN, "subpath": STRING, "labels": LIST_OR_MAP}),
            "tmpfs": obj({"size": NUMBER, "mode": NUMBER}),
            "image": obj({"subpath": STRING}),
        },
        required=("type",),
    ),
)  # fmt: skip

DEPENDS_ON = either(
    STRINGS,
    mapping(
        obj(
            {
                "condition": {
                    "enum": ["service_started", "service_healthy", "service_completed_successfully"]
                },
                "restart": BOOLEAN,
                "required": BOOLEAN,
            },
            required=("condition",),
        )
    ),
)

SERVICE = obj(
    {
        "annotations": LIST_OR_MAP,
        "attach": BOOLEAN,
        "blkio_config": obj(
            {
                "device_read_bps": BLKIO_LIMITS, "device_read_iops": BLKIO_LIMITS,
                "device_write_bps": BLKIO_LIMITS, "device_write_iops": BLKIO_LIMITS,
                "weight": INTEGER, "weight_device": BLKIO_WEIGHTS,
            }
        ),
        "build": BUILD,
        "cap_add": STRINGS,
        "cap_drop": STRINGS,
        "cgroup": {"enum": ["host", "private"]},
        "cgroup_parent": STRING,
        "command": COMMAND,
        "configs": FILE_REFERENCES,
        "container_name": STRING,
        "cpu_count": INTEGER,
        "cpu_percent": NUMBER,
        "cpu_period": NUMBER,
        "cpu_quota": NUMBER,
        "cpu_rt_period": NUMBER,
        "cpu_rt_runtime": NUMBER,
        "cpu_shares": NUMBER,
        "cpus": NUMBER,
        "cpuset": STRING,
        "credential_spec": ANY,
        "depends_on": DEPENDS_ON,
        "deploy": DEPLOY,
        "develop": DEVELOP,
        "device_cgroup_rules": STRINGS,
        "devices": array(
            either(
                STRING,
                obj({"source": STRING, "target": STRING, "permissions": STRING}, required=("source",)),
            )
        ),
        "dns": STRING_OR_LIST,
        "dns_opt": STRINGS,
        "dns_search": STRING_OR_LIST,
        "domainname": STRING,
        "entrypoint": COMMAND,
        "env_file": either(
            STRING,
            array(
                either(
                    STRING,
                    obj({"path": STRING, "required": BOOLEAN, "format": STRING}, required=("path",)),
                )
            ),
        ),
        "environment": LIST_OR_MAP,
        "expose": SCALARS,
        "extends": either(STRING, obj({"service": STRING, "file": STRING}, required=("service",))),
        "external_links": STRINGS,
        "extra_hosts": HOSTS,
        "gpus": either({"enum": ["all"]}, DEVICE_REQUESTS),
        "group_add": SCALARS,
        "healthcheck": HEALTHCHECK,
        "hostname": STRING,
        "image": STRING,
        "init": BOOLEAN,
        "ipc": STRING,
        "isolation": STRING,
        "label_file": STRING_OR_LIST,
        "labels": LIST_OR_MAP,
        "links": STRINGS,
        "logging": obj({"driver": STRING, "options": mapping(SCALAR, null=True)}),
        "mac_address": STRING,
        "mem_limit": NUMBER,
        "mem_reservation": NUMBER,
        "mem_swappiness": INTEGER,
        "memswap_limit": NUMBER,
        "models": either(STRINGS, mapping(ANY)),
        "network_mode": STRING,
        "networks": either(STRINGS, mapping(SERVICE_NETWORK)),
        "oom_kill_disable": BOOLEAN,
        "oom_score_adj": INTEGER,
        "pid": {"type": ["string", "null"]},
        "pids_limit": NUMBER,
        "platform": STRING,
        "ports": array(PORT),
        "post_start": array(HOOK),
        "pre_start": array(HOOK),
        "pre_stop": array(HOOK),
        "privileged": BOOLEAN,
        "profiles": STRINGS,
        "provider": obj({"type": STRING, "options": mapping(ANY)}, required=("type",)),
        "pull_policy": STRING,
        "pull_refresh_after": STRING,
        "read_only": BOOLEAN,
        "restart": STRING,
        "runtime": STRING,
        "scale": INTEGER,
        "secrets": FILE_REFERENCES,
        "security_opt": STRINGS,
        "shm_size": NUMBER,
        "stdin_open": BOOLEAN,
        "stop_grace_period": STRING,
        "stop_signal": STRING,
        "storage_opt": mapping(ANY),
        "sysctls": LIST_OR_MAP,
        "tmpfs": STRING_OR_LIST,
        "tty": BOOLEAN,
        "ulimits": ULIMITS,
        "use_api_socket": BOOLEAN,
        "user": STRING,
        "userns_mode": STRING,
        "uts": STRING,
        "volumes": array(MOUNT),
        "volumes_from": STRINGS,
        "working_dir": STRING,
    }
)  # fmt: skip

EXTERNAL = either(BOOLEAN, obj({"name": STRING}))
NETWORK = obj(
    {
        "name": STRING,
        "driver": STRING,
        "driver_opts": mapping(SCALAR),
        "ipam": obj(
            {
                "driver": STRING,
                "config": array(
                    obj(
                        {
                            "subnet": STRING, "ip_range": STRING, "gateway": STRING,
                            "aux_addresses": mapping(STRING),
                        }
                    )
                ),
                "options": mapping(STRING),
            }
        ),
        "external": EXTERNAL,
        "internal": BOOLEAN,
        "attachable": BOOLEAN,
        "enable_ipv4": BOOLEAN,
        "enable_ipv6": BOOLEAN,
        "labels": LIST_OR_MAP,
    },
    null=True,
)  # fmt: skip
VOLUME = obj(
    {
        "name": STRING,
        "driver": STRING,
        "driver_opts": mapping(SCALAR),
        "external": EXTERNAL,
        "labels": LIST_OR_MAP,
    },
    null=True,
)
FILE_OBJECT = {
    "name": STRING, "file": STRING, "environment": STRING, "external": EXTERNAL,
    "labels": LIST_OR_MAP, "template_driver": STRING,
}  # fmt: skip
SECRET = obj({**FILE_OBJECT, "driver": STRING, "driver_opts": mapping(SCALAR)})
CONFIG = obj({**FILE_OBJECT, "content": STRING})

INCLUDE = array(
    either(
        STRING,
        obj(
            {"path": STRING_OR_LIST, "env_file": STRING_OR_LIST, "project_directory": STRING},
            required=("path",),
        ),
    )
)

_NAMED = {"type": ["object", "null"], "additionalProperties": False}
_KEY = "^[a-zA-Z0-9._-]+$"
SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "version": {"type": ["string", "number"]},
        "name": STRING,
        "include": INCLUDE,
        "services": {**_NAMED, "patternProperties": {_KEY: SERVICE}},
        "models": {**_NAMED, "patternProperties": {_KEY: mapping(ANY)}},
        "networks": {**_NAMED, "patternProperties": {_KEY: NETWORK}},
        "volumes": {**_NAMED, "patternProperties": {_KEY: VOLUME}},
        "secrets": {**_NAMED, "patternProperties": {_KEY: SECRET}},
        "configs": {**_NAMED, "patternProperties": {_KEY: CONFIG}},
    },
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
}
