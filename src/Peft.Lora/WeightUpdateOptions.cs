namespace Peft;

/// <summary>Base of the options of weight-update methods, which add an update to the weight matrix of each target.</summary>
public abstract record WeightUpdateOptions : TargetedOptions
{
    private protected WeightUpdateOptions(string peftType) : base(peftType) { }

    protected override bool WritesFanInFanOut => true;
}
