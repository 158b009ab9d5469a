namespace Peft.Models;

/// <summary>Options of a <see cref="MaskedDataset"/>. The defaults are BERT's (Devlin et al. 2019, arXiv:1810.04805).</summary>
public sealed record MaskedOptions
{
    /// <summary>Probability that a token is chosen for prediction. 0.15 by default.</summary>
    public double MaskProbability { get; init; } = 0.15;

    /// <summary>Fraction of the chosen tokens that the input replaces by the mask token. 0.8 by default.</summary>
    public double ReplacedShare { get; init; } = 0.8;

    /// <summary>Fraction of the chosen tokens that the input replaces by a random token. 0.1 by default; the others are unchanged.</summary>
    public double RandomShare { get; init; } = 0.1;

    /// <summary>True for whole-word masking: either all tokens of a word are chosen, or none.</summary>
    public bool WholeWords { get; init; }

    /// <summary>Seed of the choice. 42 by default.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Maximum number of tokens of a row, special tokens included; null for the tokenizer's limit. The rest of a longer text becomes additional rows.</summary>
    public int? MaxLength { get; init; }

    internal void Validate()
    {
        Require(MaskProbability is > 0 and <= 1, nameof(MaskProbability), MaskProbability, "above 0 and at most 1");
        Require(ReplacedShare is >= 0 and <= 1, nameof(ReplacedShare), ReplacedShare, "from 0 to 1");
        Require(RandomShare >= 0 && ReplacedShare + RandomShare <= 1, nameof(RandomShare), RandomShare, $"from 0 to 1 − {nameof(ReplacedShare)}");
        if (MaxLength < 1) throw new ArgumentException($"{nameof(MaxLength)} is {MaxLength}, but must be at least 1.");

        static void Require(bool valid, string name, double value, string range)
        {
            if (!valid) throw new ArgumentException($"{name} is {value}, but must be {range}.");
        }
    }
}
