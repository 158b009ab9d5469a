using System.Collections.Frozen;

namespace Peft.Checkpoints;

/// <summary>A Python global that a file of tensors may use.</summary>
internal abstract record PyTorchGlobal
{
    private static readonly (string Torch, string Storage, string Type)[] Types =
    [
        ("float64", "Double", "F64"), ("float32", "Float", "F32"), ("float16", "Half", "F16"), ("bfloat16", "BFloat16", "BF16"),
        ("int64", "Long", "I64"), ("int32", "Int", "I32"), ("int16", "Short", "I16"), ("int8", "Char", "I8"), ("uint8", "Byte", "U8"),
        ("bool", "Bool", "BOOL"), ("complex64", "ComplexFloat", "C64"),
        // These have no storage class; their storages are untyped bytes.
        ("uint16", "", "U16"), ("uint32", "", "U32"), ("uint64", "", "U64"), ("float8_e5m2", "", "F8_E5M2"), ("float8_e4m3fn", "", "F8_E4M3"),
        ("float8_e5m2fnuz", "", "F8_E5M2FNUZ"), ("float8_e4m3fnuz", "", "F8_E4M3FNUZ"), ("float8_e8m0fnu", "", "F8_E8M0"),
    ];

    private static readonly FrozenDictionary<string, PyTorchGlobal> Known = All().ToFrozenDictionary(pair => pair.Name, pair => pair.Global);

    /// <summary>Finds a global by name; null if it is not allowed.</summary>
    public static PyTorchGlobal? Find(string module, string name) => Known.GetValueOrDefault($"{module}.{name}");

    private static IEnumerable<(string Name, PyTorchGlobal Global)> All()
    {
        foreach (var (torch, storage, type) in Types)
        {
            yield return ($"torch.{torch}", new PyTorchType(SafetensorsType.Named(type)!));
            if (storage.Length == 0) continue;
            yield return ($"torch.{storage}Storage", new PyTorchStorageClass(SafetensorsType.Named(type)));
            yield return ($"torch.cuda.{storage}Storage", new PyTorchStorageClass(SafetensorsType.Named(type)));
        }
        yield return ("torch.storage.UntypedStorage", new PyTorchStorageClass(null));
        yield return ("collections.OrderedDict", new PyTorchFunction(PyTorchRebuild.OrderedDict));
        yield return ("torch._utils._rebuild_tensor", new PyTorchFunction(PyTorchRebuild.Tensor));
        yield return ("torch._utils._rebuild_tensor_v2", new PyTorchFunction(PyTorchRebuild.Tensor));
        yield return ("torch._utils._rebuild_tensor_v3", new PyTorchFunction(PyTorchRebuild.TypedTensor));
        yield return ("torch._utils._rebuild_parameter", new PyTorchFunction(PyTorchRebuild.Parameter));
    }
}
