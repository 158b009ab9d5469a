namespace Peft.Prefix;

/// <summary>attention(x) + g·softmax(q·K(P)ᵀ/√d)·V(P) with P <c>[1, length, hidden]</c> and g <c>[1]</c> per layer.</summary>
internal sealed class AdaptionPromptLayer : PromptLayer
{
    private readonly List<AttentionPrompt> prompts = [];

    public AdaptionPromptLayer(ModelTree model, IReadOnlyList<(string Path, int Layer)> layers, int length) : base(model)
    {
        foreach (var (path, layer) in layers)
        {
            var gate = Trainable(Adapter.KeyOf(path, "adaption_gate"), Zeros(1));
            prompts.Add(new(layer, Trainable(Adapter.KeyOf(path, "adaption_prompt"), Normal(1, 1, length, Shape.HiddenSize)), gate));
        }
    }

    protected override VirtualTokens Make(Tensor? tasks, bool training) => new() { InAttention = prompts };
}
