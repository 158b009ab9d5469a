namespace Peft.Gguf;

/// <summary>The description of a tensor in a GGUF file.</summary>
/// <param name="Name">Its name, such as <c>blk.0.attn_q.weight</c>.</param>
/// <param name="Shape">Its shape in torch's order, the slowest dimension first; the file stores the reverse.</param>
/// <param name="Type">Its ggml type.</param>
/// <param name="Offset">Position of its first byte in the file.</param>
internal sealed record GgufTensor(string Name, IReadOnlyList<long> Shape, uint Type, long Offset);
