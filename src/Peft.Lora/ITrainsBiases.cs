namespace Peft.Lora;

/// <summary>Options that may train biases beside the weight updates: <c>none</c>, <c>all</c>, or <c>&lt;method&gt;_only</c> for those of the targets.</summary>
internal interface ITrainsBiases
{
    string Bias { get; }
}
