namespace Peft.Prefix;

/// <summary>x ← [E + D; x] with the examples' embeddings E <c>[tokens, hidden]</c>. Each row of D stays within its radius.</summary>
internal sealed class CptLayer : EmbeddingPrompt, ILabelsTokens
{
    private const double Nothing = 1e-10;   // Hugging Face PEFT's radius for frozen tokens

    private readonly Parameter embedding, delta, radius, learns;   // the last two [tokens, 1]

    public CptLayer(ModelTree model, CptOptions options) : base(model, options.VirtualTokens!.Value)
    {
        var (types, width) = (options.TokenTypes!, Math.Sqrt(Shape.HiddenSize / 2048.0));
        embedding = Frozen("prompt_embeddings", options.InferenceMode ? Zeros(types.Count, Shape.HiddenSize) : RowsOf(model, options.TokenIds!.Select(id => (long)id), types.Count));
        delta = Trainable("prompt_encoder.delta_embedding.weight", Zeros(types.Count, Shape.HiddenSize), saved: false);
        radius = Column("radius", types.Select(type => (type > 0 ? type % 4 : 0) switch { 1 or 3 => options.FormatRadius * width, 2 => options.InputRadius * width, _ => Nothing }));
        learns = Column("learns", types.Select(type => type % 4 == 0 ? 0.0 : 1));
        Labels = LabelsOf(options);
    }

    public VirtualLabels Labels { get; }

    private Parameter Column(string name, IEnumerable<double> values) => Frozen(name, tensor(values.ToArray(), TensorType, device: Device).unsqueeze(1), saved: false);

    // As in Hugging Face PEFT, the labels of the input count only if the examples end with an answer.
    private static VirtualLabels LabelsOf(CptOptions options)
    {
        var types = options.TokenTypes!;
        int[] answers = [.. types.Where(type => type > 0 && type % 4 == 0).Distinct().Order()];
        var decays = options.LossWeights == CptLossWeights.Decay;
        var input = types.Max() % 4 == 0;
        return new(
            [.. types.Zip(options.TokenIds!, (type, id) => type > 0 && type % 4 == 0 ? id : (long)Batch.IgnoredLabel)],
            // The answer of the input comes last and has weight 1.
            [.. types.Select(type => decays && Array.IndexOf(answers, type) is >= 0 and var at ? Math.Pow(options.DecayFactor, answers.Length - at - (input ? 0 : 1)) : 1.0)],
            input);
    }

    private Tensor Projected()
    {
        using var _ = no_grad();
        var norm = delta.norm(1, keepdim: true, p: 2);
        return where(norm.gt(Constant(0)), delta.mul(radius).div(maximum(norm, radius)), delta);
    }

    protected override Tensor ToSaved(AdapterTensor tensor)
    {
        if (!ReferenceEquals(tensor.Value, embedding)) return base.ToSaved(tensor);
        using var _ = no_grad();
        return embedding.add(Projected(), One);
    }

    // The embeddings in the file already include the offsets.
    protected override void Loaded()
    {
        using var _ = no_grad();
        delta.zero_();
    }

    protected override Tensor Embeddings(Tensor? tasks, bool training)
    {
        var projected = Projected();
        if (!is_grad_enabled()) return embedding.add(projected, One).unsqueeze(0);
        using (no_grad()) delta.copy_(projected);   // the optimizer continues from the projected values
        return embedding.add(delta.mul(learns), One).add(projected.mul(learns.neg().add(Constant(1), One)), One).unsqueeze(0);
    }
}
