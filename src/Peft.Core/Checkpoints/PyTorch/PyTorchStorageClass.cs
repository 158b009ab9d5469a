namespace Peft.Checkpoints;

/// <summary>A storage class, such as <c>torch.FloatStorage</c>; without a dtype for storages of bytes.</summary>
internal sealed record PyTorchStorageClass(SafetensorsType? Format) : PyTorchGlobal;
