namespace Peft.Models;

/// <summary>
/// What holds for a run of generation, from its first pass to its last: dropout is off, and the adapters are those that were in effect when it was asked for, folded
/// into the weights where they are small.
/// </summary>
internal sealed class GenerationRun : IDisposable
{
    private readonly EvaluationMode mode;
    private readonly PassLease? pass;
    private readonly IDisposable? folded;

    /// <summary>Begins a run in this flow.</summary>
    public GenerationRun(LanguageModel model) : this(model, PeftModel.Of(model)?.CurrentScope) { }

    /// <summary>Begins a run that was asked for in a scope.</summary>
    /// <exception cref="PeftException">The scope has ended.</exception>
    public GenerationRun(LanguageModel model, PassScope? scope)
    {
        if (scope is { HasEnded: true }) throw new PeftException($"The tokens were asked for inside of a scope of {scope.Kind}, which has ended: read them before it does.");
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

    /// <summary>Makes the passes of this thread part of the run until the result is disposed.</summary>
    public IDisposable? Enter() => pass?.Enter();

    public void Dispose()
    {
        folded?.Dispose();
        pass?.Dispose();
        mode.Dispose();
    }
}
