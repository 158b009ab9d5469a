namespace Peft.Checkpoints;

/// <summary>A dtype, such as <c>torch.bfloat16</c>.</summary>
internal sealed record PyTorchType(SafetensorsType Format) : PyTorchGlobal;
