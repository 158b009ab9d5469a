namespace Peft.Models;

/// <summary>
/// A generation run from the first forward pass to the last. Dropout is off, and the adapters remain those that were active at the call. They are folded into
/// copies of the weights if the copies are small.
/// </summary>
internal sealed class GenerationRun : IDisposable
{
    private readonly EvaluationMode mode;
    private readonly PassHandle? pass;
    private readonly IDisposable? folded;

    /// <summary>Begins a run with the adapters of the current flow.</summary>
    public GenerationRun(LanguageModel model) : this(model, PeftModel.Of(model)?.CurrentScope) { }

    /// <summary>Begins a run with the adapters of a scope.</summary>
    /// <exception cref="PeftException">The scope has ended.</exception>
    public GenerationRun(LanguageModel model, PassScope? scope)
    {
        if (scope is { HasEnded: true }) throw new PeftException($"The tokens were requested inside a scope of {scope.Kind} that has ended: read them before it ends.");
        mode = new EvaluationMode(model);
        try
        {
            pass = PeftModel.Of(model)?.BeginPass(scope);
            using var inside = Enter();
            folded = PeftModel.Of(model)?.ForInference();
        }
        catch
        {
            pass?.Dispose();
            mode.Dispose();
            throw;
        }
    }

    /// <summary>Makes forward passes of this thread part of the run until the result is disposed.</summary>
    public IDisposable? Enter() => pass?.Enter();

    public void Dispose()
    {
        folded?.Dispose();
        pass?.Dispose();
        mode.Dispose();
    }
}
