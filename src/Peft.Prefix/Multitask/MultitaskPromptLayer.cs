using Peft.Checkpoints;

namespace Peft.Prefix;

/// <summary>x ← [P ∘ (Cₜ·Rₜ); x] with P <c>[tokens, hidden]</c> and, for task t, Cₜ <c>[tokens, rank]</c> and Rₜ <c>[rank, hidden]</c>.</summary>
internal sealed class MultitaskPromptLayer : EmbeddingPrompt, IPromptsDecoder
{
    private readonly Parameter prompt, columns, rows;
    private readonly int tasks;

    public MultitaskPromptLayer(ModelTree model, MultitaskPromptOptions options) : base(model, options.VirtualTokens!.Value)
    {
        var count = options.VirtualTokens.Value * Shape.SubmoduleCount;
        tasks = options.TaskCount;
        prompt = Trainable("prompt_embeddings", options is { Initialization: MultitaskInitialization.Text, InferenceMode: false }
            ? RowsOf(model, options.Tokenizer!.Encode(options.InitialText!).Select(id => (long)id), count) : Normal(1, count, Shape.HiddenSize));
        columns = Trainable("prefix_task_cols", Normal(0.02, tasks, count, options.Rank));
        rows = Trainable("prefix_task_rows", Normal(0.02, tasks, options.Rank, Shape.HiddenSize));
        if (options.StartsAsAnother) StartAs(options);
    }

    public int DecoderEmbeddingCount => Shape.SubmoduleCount == 2 ? EmbeddingCount : 0;

    private void StartAs(MultitaskPromptOptions options)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var file = WeightFile.Open(options.InitialStateFile!);
        Take(prompt, file.Read("prompt_embeddings"));
        if (options.Initialization == MultitaskInitialization.SharedOnly) return;
        Take(columns, OfTask(file.Read("prefix_task_cols")));
        Take(rows, OfTask(file.Read("prefix_task_rows")));

        Tensor OfTask(Tensor all) => options.Initialization == MultitaskInitialization.AverageOfTasks ? all.mean([0], keepdim: true)
            : options.StartTask < all.size(0) ? all.narrow(0, options.StartTask, 1)
            : throw new AdapterOptionsException($"StartTask is {options.StartTask}, but {options.InitialStateFile} has {all.size(0)} tasks.");

        void Take(Parameter into, Tensor value)
        {
            if (!value.shape.SequenceEqual(into.shape))
                throw new AdapterOptionsException($"{options.InitialStateFile} holds a tensor [{string.Join(", ", value.shape)}] where this prompt has [{string.Join(", ", into.shape)}]: virtual tokens, rank and model must be the same.");
            into.copy_(value);
        }
    }

    protected override Tensor Embeddings(Tensor? tasks, bool training)
    {
        var ids = TaskIds.Require(tasks, this.tasks, columns.device);
        return columns.index_select(0, ids).matmul(rows.index_select(0, ids)).mul(prompt);
    }
}
