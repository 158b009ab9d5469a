namespace Peft.Models;

/// <summary>The values of <see cref="Pooling"/> in <c>config.json</c>. In transformers only ModernBERT has this field; other architectures ignore it.</summary>
internal static class Poolings
{
    public const string Field = "classifier_pooling";

    public static string ToField(this Pooling pooling) => pooling switch
    {
        Pooling.Cls => "cls",
        Pooling.Mean => "mean",
        Pooling.Last => "last",
        _ => throw new ArgumentOutOfRangeException(nameof(pooling), pooling, "Unknown pooling."),
    };

    /// <exception cref="UnsupportedModelException">The value is not a pooling.</exception>
    public static Pooling? Parse(string? text, string source) => text switch
    {
        null => null,
        "cls" => Pooling.Cls,
        "mean" => Pooling.Mean,
        "last" => Pooling.Last,
        _ => throw new UnsupportedModelException($"{source}: {Field} '{text}' is not supported: use cls, mean or last."),
    };
}
