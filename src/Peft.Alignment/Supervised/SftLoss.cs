namespace Peft;

/// <summary>A loss of <see cref="SftObjective"/>, by TRL's names.</summary>
public enum SftLoss
{
    /// <summary>−log p of each token: cross-entropy.</summary>
    Nll,

    /// <summary>−p·log p of each token, where p carries no gradient: improbable tokens count less (dynamic fine-tuning, arXiv:2508.05629).</summary>
    Dft,
}
