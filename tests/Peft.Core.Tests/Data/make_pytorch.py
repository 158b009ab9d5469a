"""Writes Data/PyTorch: files of torch.save, what they hold (as safetensors), and pickles that try to run code. Made with PyTorch 2.6."""
import base64, collections, json, os, pathlib, pickle, re, struct, subprocess
import torch

OUT = pathlib.Path(__file__).parent / "PyTorch"
NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32",
         torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64", torch.uint16: "U16",
         torch.uint32: "U32", torch.uint64: "U64", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}


def safetensors(path, tensors):
    header, data = {}, b""
    for name, t in tensors.items():
        raw = bytes(t.detach().contiguous().clone().untyped_storage()) if t.numel() else b""
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def save(name, state, **options):
    torch.save(state, OUT / f"{name}.bin", **options)
    safetensors(OUT / f"{name}.safetensors", {k: v for k, v in state.items() if isinstance(v, torch.Tensor)})


torch.manual_seed(0)
plain = {str(t)[6:]: (torch.randn(3, 4) * 50).to(t) for t in NAMES if t.is_floating_point or t in (torch.int64, torch.int32, torch.int16, torch.int8)
         if t not in (torch.float8_e4m3fn, torch.float8_e5m2)}
plain |= {"uint8": torch.arange(250, 260, dtype=torch.int32).to(torch.uint8), "bool": torch.tensor([True, False, True]),
          "complex64": torch.randn(2, 2, dtype=torch.complex64), "scalar": torch.tensor(2.5), "empty": torch.empty(0, 7), "long name é 字": torch.ones(1)}
new = {"float8_e4m3fn": torch.randn(4).to(torch.float8_e4m3fn), "float8_e5m2": torch.randn(4).to(torch.float8_e5m2),
       "uint16": torch.tensor([1, 65535], dtype=torch.uint16), "uint32": torch.tensor([1, 2], dtype=torch.uint32), "uint64": torch.tensor([7], dtype=torch.uint64)}
base = torch.arange(60, dtype=torch.float32)
matrix = base.view(5, 12)
views = {"whole": base, "matrix": matrix, "transposed": matrix.t(), "rows": matrix[1:4], "columns": matrix[:, 2:9:3], "last": base[59], "none": base[60:],
         "expanded": torch.tensor([[1.5], [2.5]]).expand(2, 6), "wide": torch.arange(9).expand(1, -1), "channels": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
         "parameter": torch.nn.Parameter(matrix[:, :3]), "bits": torch.tensor([True, False, False, True])[1::2], "half": torch.randn(6, 6).half().t()}
save("types", plain | new)
save("views", views)
save("legacy-types", plain, _use_new_zipfile_serialization=False)
save("legacy-views", views, _use_new_zipfile_serialization=False)
model = torch.nn.Sequential(torch.nn.Embedding(6, 4), torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6))
model[1].weight = model[0].weight
save("module", collections.OrderedDict(model.state_dict()))
state = model.state_dict()
state.update({"epoch": 3, "best": 0.25, "name": "x", "done": True, "nothing": None, "history": [1, 2.5, "a", (1, 2)], "nested": {"a": {"b": torch.ones(2)}}, "large": 1 << 40, "type": torch.bfloat16})
save("mixed", state)
save("many", {f"layers.{i}": row for i, row in enumerate(torch.arange(1100).view(1100, 1))})
torch.save(state["0.weight"], OUT / "tensor.bin")
torch.save({"model": {"w": torch.ones(1)}, "epoch": 1}, OUT / "nested.bin")
torch.save({"w": torch.randn(2, dtype=torch.complex64).conj()}, OUT / "conjugate.bin")
torch.save({"w": torch.ones(1)}, OUT / "protocol4.bin", pickle_protocol=4)
torch.save(model, OUT / "code.bin")
torch.jit.script(model).save(str(OUT / "script.bin"))


class Calls:
    def __init__(self, function, *arguments): self.pair = (function, arguments)
    def __reduce__(self): return self.pair


attacks = [Calls(os.system, "touch owned"), Calls(eval, "1+1"), Calls(exec, "x=1"), Calls(getattr, "a", "upper"), Calls(subprocess.Popen, ["true"]),
           Calls(torch.load, "x"), Calls(torch._utils._rebuild_device_tensor_from_numpy, 1, 2, 3, 4), Calls(torch.serialization._get_layout, "torch.strided"),
           {1}, b"bytes", collections.Counter("ab")]
pickles = [pickle.dumps({"w": attack}, 2) for attack in attacks]
names = [re.search(rb"c([\w.]+)\n(\w+)\n", each) for each in pickles]
(OUT / "attacks.json").write_text(json.dumps({f"{name[1].decode()}.{name[2].decode()}": base64.b64encode(each).decode()
                                              for name, each in zip(names, pickles)}, indent=1) + "\n")
