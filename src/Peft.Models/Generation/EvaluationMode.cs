namespace Peft.Models;

/// <summary>Dropout is off and small adapters are folded while generating; afterwards the model is in its former mode again.</summary>
internal sealed class EvaluationMode : IDisposable
{
    private readonly LanguageModel model;
    private readonly bool wasTraining;
    private readonly IDisposable? folded;

    public EvaluationMode(LanguageModel model)
    {
        this.model = model;
        wasTraining = model.training;
        if (wasTraining) model.eval();
        folded = PeftModel.Of(model)?.ForInference();
    }

    public void Dispose()
    {
        folded?.Dispose();
        if (wasTraining) model.train();
    }
}
