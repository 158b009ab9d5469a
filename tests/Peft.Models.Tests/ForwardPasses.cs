namespace Peft.Models.Tests;

/// <summary>Counts the forward passes of a model, on all threads. The losses of a divided batch do not tell: they may be those of the whole one in every bit.</summary>
internal sealed class ForwardPasses : IDisposable
{
    private readonly Action remove;
    private int count;

    public ForwardPasses(PretrainedModel model)
        => remove = model.Backbone.register_forward_hook((_, _, output) =>
        {
            Interlocked.Increment(ref count);
            return output.alias();
        }).remove;

    public int Count => count;

    public void Dispose() => remove();
}
