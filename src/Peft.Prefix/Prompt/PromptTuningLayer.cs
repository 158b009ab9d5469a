namespace Peft.Prefix;

/// <summary>x ← [P; x] with P <c>[tokens, hidden]</c>.</summary>
internal sealed class PromptTuningLayer : EmbeddingPrompt
{
    private readonly Parameter prompt;

    public PromptTuningLayer(ModelTree model, PromptTuningOptions options) : base(model, options.VirtualTokens!.Value)
        => prompt = Trainable("prompt_embeddings", Initial(model, options, options.VirtualTokens.Value * Shape.SubmoduleCount));

    private Tensor Initial(ModelTree model, PromptTuningOptions options, long count) => options switch
    {
        { Initialization: PromptInitialization.Text, InferenceMode: false } => RowsOf(model, options.Tokenizer!.Encode(options.InitialText!).Select(id => (long)id), count),
        { Initialization: PromptInitialization.SampleVocabulary, InferenceMode: false } => RowsOf(model, randint(model.InputEmbeddings!.Storage.Shape[0], count, ScalarType.Int64).data<long>().ToArray(), count),
        _ => Normal(1, count, Shape.HiddenSize),
    };

    protected override Tensor Embeddings(Tensor? tasks, bool training) => prompt.unsqueeze(0);
}
