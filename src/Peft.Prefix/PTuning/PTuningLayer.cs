namespace Peft.Prefix;

/// <summary>x ← [g(E); x] with E <c>[tokens, hidden]</c> and a network g. A loaded adapter holds g(E) itself.</summary>
internal sealed class PTuningLayer : EmbeddingPrompt, ISavesCopies
{
    private readonly Parameter embedding;
    private readonly Perceptron? head;
    private readonly LSTM? lstm;

    public PTuningLayer(ModelTree model, PTuningOptions options) : base(model, options.VirtualTokens!.Value)
    {
        long[] shape = [options.VirtualTokens.Value * Shape.SubmoduleCount, Shape.HiddenSize];
        embedding = options.InferenceMode ? Trainable("prompt_embeddings", Normal(1, shape)) : Trainable("prompt_encoder.embedding.weight", Normal(1, shape), saved: false);
        if (options.InferenceMode) return;
        long size = options.EncoderSize!.Value;
        if (options.Encoder == PromptEncoder.Lstm)
        {
            AdapterPlan.Allow(Device, options.EncoderLayers, 8 * size, Shape.HiddenSize + 2 * size);
            lstm = nn.LSTM(Shape.HiddenSize, size, options.EncoderLayers, batchFirst: true, dropout: options.EncoderDropout, bidirectional: true).to(TensorType).to(Device);
            Adopt("prompt_encoder.lstm_head", lstm);
        }
        head = new Perceptron((name, bound, dimensions) => Trainable(name, Uniform(bound, dimensions), saved: false), "prompt_encoder.mlp_head", x => nn.functional.relu(x),
            lstm is null ? (long[])[Shape.HiddenSize, size, size, Shape.HiddenSize] : [2 * size, 2 * size, Shape.HiddenSize]);
    }

    public IReadOnlyDictionary<string, Tensor> SavedCopies
        => head is null ? new Dictionary<string, Tensor>() : SavedPrompt.Of(() => Embeddings(null, training: false)[0]);

    protected override Tensor Embeddings(Tensor? tasks, bool training)
    {
        var tokens = embedding.unsqueeze(0);
        if (head is null) return tokens;
        if (lstm is null) return head.Run(tokens);
        lstm.train(training);
        return head.Run(lstm.call(tokens).Item1);
    }
}
