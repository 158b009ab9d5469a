"""Writes the ONNX files of this folder, and beside each the same tensors as safetensors. onnx 1.20, PyTorch 2.14, safetensors.
    python make_onnx.py <folder>
"""
import sys, torch, onnx, numpy as np, ml_dtypes
from onnx import helper, TensorProto as T, numpy_helper
from safetensors.torch import save_file
out = sys.argv[1]; torch.manual_seed(3)
KINDS = {"f32": (T.FLOAT, torch.float32), "f64": (T.DOUBLE, torch.float64), "f16": (T.FLOAT16, torch.float16), "bf16": (T.BFLOAT16, torch.bfloat16), "i64": (T.INT64, torch.int64), "i32": (T.INT32, torch.int32),
         "i16": (T.INT16, torch.int16), "i8": (T.INT8, torch.int8), "u8": (T.UINT8, torch.uint8), "bool": (T.BOOL, torch.bool), "c64": (T.COMPLEX64, torch.complex64)}
def value(t):
    if t.is_floating_point or t.is_complex: return (torch.randn(2, 3) * 3).to(t)
    if t == torch.bool: return torch.tensor([[True, False, True], [False, False, True]])
    low, high = (0, 255) if t == torch.uint8 else (-100, 100); x = torch.randint(low, high, (2, 3)).to(t)
    if t in (torch.int32, torch.int64): x[0, 0] = torch.iinfo(t).min; x[1, 1] = torch.iinfo(t).max
    return x
def raw(x): return x.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if x.dtype != torch.bool else x.numpy().tobytes()
initializers, tensors = [], {}
for name, (kind, dtype) in KINDS.items():
    for way in ("raw", "typed"):
        x = value(dtype); key = f"{name}.{way}"; tensors[key] = x
        if way == "raw": initializers.append(helper.make_tensor(key, kind, x.shape, raw(x), raw=True)); continue
        v = x.view(torch.int16).numpy().view(np.float16).reshape(-1) if dtype == torch.float16 else x.float().numpy().astype(ml_dtypes.bfloat16).reshape(-1) if dtype == torch.bfloat16 else x.numpy().reshape(-1)
        initializers.append(helper.make_tensor(key, kind, x.shape, v))
for key, shape in {"scalar.raw": [], "empty.raw": [0, 4]}.items():
    tensors[key] = torch.zeros(shape); initializers.append(helper.make_tensor(key, T.FLOAT, shape, raw(tensors[key]) if 0 not in shape else b"", raw=True))
graph = helper.make_graph([], "types", [], [], initializers); model = helper.make_model(graph); onnx.save(model, f"{out}/types.onnx"); save_file(tensors, f"{out}/types.safetensors")

class Layer(torch.nn.Module):   # names as in Hugging Face's BERT; two equal biases, which the exporter stores once
    def __init__(self):
        super().__init__(); self.query = torch.nn.Linear(6, 6); self.key = torch.nn.Linear(6, 6); self.up = torch.nn.Linear(6, 10); self.down = torch.nn.Linear(10, 6); self.norm = torch.nn.LayerNorm(6); self.free = torch.nn.Linear(6, 4, bias=False)
        torch.nn.init.zeros_(self.query.bias); torch.nn.init.zeros_(self.key.bias)
    def forward(self, x):
        y = torch.softmax(self.query(x) @ self.key(x).transpose(1, 2), -1) @ x
        return x + self.norm(self.down(torch.nn.functional.gelu(self.up(y))))
class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__(); self.words = torch.nn.Embedding(11, 6); self.layer = torch.nn.ModuleList([Layer(), Layer()]); self.pooler = torch.nn.Linear(6, 6)
    def forward(self, ids):
        x = self.words(ids)
        for each in self.layer: x = each(x)
        return x, torch.tanh(self.pooler(x[:, 0])), self.layer[0].free(x)
m = Encoder().eval(); ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
torch.onnx.export(m, (ids,), f"{out}/encoder.onnx", dynamo=False, input_names=["ids"], dynamic_axes={"ids": {0: "batch", 1: "length"}}, opset_version=13)
save_file({k: v.contiguous() for k, v in m.state_dict().items()}, f"{out}/encoder.safetensors")
model = onnx.load(f"{out}/encoder.onnx"); onnx.save(model, f"{out}/external.onnx", save_as_external_data=True, all_tensors_to_one_file=True, location="external.bin", size_threshold=0)
