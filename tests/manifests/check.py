"""Reads Kubernetes manifests and holds each document against a typed model of its kind, which refuses unknown fields.

    python3 check.py NODE_MODULES FILE...       prints {"documents": [...], "wrong": [...]}

Istio's kinds are pydantic models (the package cloudcoil-models-istio). All others are TypeScript types (@kubernetes-models),
held by the TypeScript compiler, which refuses what a literal has and its type has not; the schemas beside them refuse a value of
the right type that cannot be, such as a port of 70000. A kind without a model is an error.
"""

import importlib
import json
import pathlib
import subprocess
import sys
import tempfile
import types

import pydantic
import yaml
from typing_extensions import Never, Self

# A part of a kind: the ConfigMap with which Istio's waypoints are changed holds a part of a Deployment, as text.
PART = "type Part<T> = T extends (infer U)[] ? Part<U>[] : T extends object ? { [K in keyof T]?: Part<T[K]> } : T;"
# Where the types of a group are; Kubernetes' own are in `kubernetes-models`.
PACKAGES = {
    "gateway.envoyproxy.io": "@kubernetes-models/envoy-gateway",
    "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
    "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
}


# Holds documents against the schemas of their kinds, and prints what is wrong.
SCHEMAS = """
import { readFileSync } from "node:fs";
for (const [module, kind, document] of JSON.parse(readFileSync(0, "utf8"))) {
  const models = await import(module);
  try {
    new models[kind](document).validate();
  } catch (error) {
    console.log(`${kind} ${document.metadata.name}: ${error.message}`);
  }
}
"""


class Model(pydantic.BaseModel):
    """The base of Istio's models, in place of the package's own, which lets unknown fields pass."""

    model_config = pydantic.ConfigDict(extra="forbid")


class Metadata(Model):
    name: str
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Unused:
    """Builders of the package; they want a newer Python, and nothing here builds."""

    def __class_getitem__(cls, _):
        return cls


def provide(name, **members):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)


builders = ["BaseBuilder", "BaseModelBuilder", "BuilderContextBase", "GenericListBuilder", "ListBuilderContext"]
provide(
    "cloudcoil.pydantic", UNSET=None, BaseModel=Model, Never=Never, Self=Self, **{name: Unused for name in builders}
)
Metadata.Builder = Metadata.BuilderContext = Unused
provide("cloudcoil.apimachinery", ObjectMeta=Metadata)
provide("cloudcoil.resources", Resource=Model)
provide("cloudcoil.models.istio._lookup", get_model=None)


class Loader(yaml.SafeLoader):
    """Refuses a field that is there twice."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        if len(keys) != len(set(keys)):
            raise yaml.YAMLError(f"a field is there twice: {sorted(key for key in keys if keys.count(key) > 1)}")
        return super().construct_mapping(node, deep)


def istio(document):
    """What is wrong with a document of Istio's."""
    group, version = document["apiVersion"].split("/")
    try:
        module = importlib.import_module(f"cloudcoil.models.istio.{group.removesuffix('.istio.io')}.{version}")
        getattr(module, document["kind"]).model_validate(document)
    except (ImportError, AttributeError) as error:
        return [f"no model: {error}"]
    except pydantic.ValidationError as error:
        return [f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()]
    return []


def typescript(documents, modules):
    """What is wrong with documents of all other kinds."""
    lines, models = [PART], []
    for at, document in enumerate(documents):
        version, kind = document["apiVersion"], document["kind"]
        module = f"{PACKAGES.get(version.split('/')[0], 'kubernetes-models')}/{version}/{kind}"
        literal = json.dumps(document)
        lines.append(f'export const d{at}: import("{module}").I{kind} = {literal};')
        models.append([module, kind, document])
        if kind == "ConfigMap" and "deployment" in document["data"]:
            part = json.dumps(yaml.load(document["data"]["deployment"], Loader))
            lines.append(f'export const p{at}: Part<import("kubernetes-models/apps/v1/Deployment").IDeployment> = {part};')
    with tempfile.TemporaryDirectory(dir=modules.parent) as folder:
        file = pathlib.Path(folder, "manifests.ts")
        file.write_text("\n".join(lines) + "\n")
        options = ["--noEmit", "--strict", "--skipLibCheck", "--pretty", "false", "--target", "es2022"]
        options += ["--module", "nodenext", "--moduleResolution", "nodenext"]
        command = ["node", str(modules / "typescript/bin/tsc"), *options, file.name]
        compiler = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if compiler.returncode != 0:
            return compiler.stdout.splitlines() or [compiler.stderr]
        command = ["node", "--input-type=module", "--eval", SCHEMAS]
        schemas = subprocess.run(command, cwd=folder, input=json.dumps(models), capture_output=True, text=True)
    return schemas.stdout.splitlines() or ([schemas.stderr] if schemas.returncode != 0 else [])


def main(modules, files):
    documents, wrong, others = [], [], []
    for file in files:
        for document in yaml.load_all(pathlib.Path(file).read_text(), Loader):
            documents.append({"file": pathlib.Path(file).name, "document": document})
            # An Envoy configuration is Envoy's to judge.
            if "apiVersion" not in document:
                continue
            if document["apiVersion"].split("/")[0].endswith(".istio.io"):
                name = f"{file}: {document['kind']} {document['metadata']['name']}"
                wrong += [f"{name}: {what}" for what in istio(document)]
            else:
                others.append(document)
    if others:
        wrong += typescript(others, pathlib.Path(modules))
    print(json.dumps({"documents": documents, "wrong": wrong}))


main(sys.argv[1], sys.argv[2:])
