namespace QLora;

/// <summary>A model in a precision.</summary>
/// <param name="Model">The model.</param>
/// <param name="Precision">The precision.</param>
internal sealed record Choice(Candidate Model, Precision Precision)
{
    /// <summary>The largest model that fits, in the most precise form of it that does; null if none fits.</summary>
    /// <param name="models">The models.</param>
    /// <param name="tokens">Tokens of a batch.</param>
    /// <param name="available">Bytes that training may take.</param>
    public static Choice? Of(IEnumerable<Candidate> models, int tokens, long available)
        => models.OrderByDescending(model => model.Needs(Precision.All[0], tokens).Weights)
            .SelectMany(model => Precision.Offered.Select(precision => new Choice(model, precision)))
            .FirstOrDefault(choice => choice.Model.Needs(choice.Precision, tokens).Total <= available);
}
