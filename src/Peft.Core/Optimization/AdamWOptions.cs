using System.ComponentModel;

namespace Peft;

/// <summary>Settings of <see cref="FlatAdamW"/>. The defaults are those of <c>TrainingArguments</c> of Hugging Face transformers.</summary>
[TypeConverter(typeof(TextConverter<AdamWOptions>))]
public sealed record AdamWOptions : FlatOptimizerOptions
{
    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>True to add epsilon before the bias correction, as LoRA-FA's published optimizer does; false to add it after, as torch does.</summary>
    public bool EpsilonBeforeCorrection { get; init; }

    /// <summary>
    /// True to keep the moments in files that the operating system pages in and out, for states that exceed the machine's memory. For parameters on the CPU. Results are the same bit for bit. The disk must
    /// have 8 free bytes per trainable parameter.
    /// </summary>
    public bool Paged { get; init; }

    /// <summary>Folder of the files of <see cref="Paged"/> states; null, the default, for the temporary folder, which on some machines is in memory.</summary>
    public string? PageFolder { get; init; }

    /// <inheritdoc/>
    public override FlatOptimizer Create(FlatParameters parameters, double learningRate) => new FlatAdamW(parameters, learningRate, this);

    internal override bool IsPaged => Paged;

    internal override IEnumerable<string> Errors()
    {
        if (!(Beta1 is >= 0 and < 1)) yield return $"Beta1 must be at least 0 and below 1, but was {Beta1}.";
        if (!(Beta2 is >= 0 and < 1)) yield return $"Beta2 must be at least 0 and below 1, but was {Beta2}.";
        if (!(Epsilon > 0 && double.IsFinite(Epsilon))) yield return $"Epsilon must be above 0, but was {Epsilon}.";
        if (PageError(Paged, PageFolder) is { } page) yield return page;
        foreach (var error in base.Errors()) yield return error;
    }
}
