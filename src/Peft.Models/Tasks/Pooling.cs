namespace Peft.Models;

/// <summary>Which hidden states stand for a text.</summary>
public enum Pooling
{
    /// <summary>That of the first token, BERT's <c>[CLS]</c>: what an encoder's classification head reads, for BERT through its pooler.</summary>
    Cls,

    /// <summary>The mean over the real tokens, which sentence encoders are trained for. BERT's pooler, trained for the first token, is left out.</summary>
    Mean,

    /// <summary>That of the last real token: what a decoder's classification head reads.</summary>
    Last,
}

/// <summary>How <see cref="Pooling"/> stands in <c>config.json</c>: transformers has the field for ModernBERT, and no reader for other architectures.</summary>
internal static class Poolings
{
    public const string Field = "classifier_pooling";

    public static string ToField(this Pooling pooling) => pooling switch
    {
        Pooling.Cls => "cls",
        Pooling.Mean => "mean",
        Pooling.Last => "last",
        _ => throw new ArgumentOutOfRangeException(nameof(pooling), pooling, "That is none of the ways to pool."),
    };

    /// <exception cref="UnsupportedModelException">The text is no pooling.</exception>
    public static Pooling? Parse(string? text, string source) => text switch
    {
        null => null,
        "cls" => Pooling.Cls,
        "mean" => Pooling.Mean,
        "last" => Pooling.Last,
        _ => throw new UnsupportedModelException($"{source}: {Field} '{text}' is not known: use cls, mean or last."),
    };
}
