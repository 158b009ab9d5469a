namespace Rlhf;

/// <summary>The stories of an update.</summary>
/// <param name="Judge">Mean score of the judge.</param>
/// <param name="Model">Mean score of the reward model; NaN if the judge gives the rewards.</param>
/// <param name="Kl">Divergence from the fine-tuned model, in nats per story.</param>
internal sealed record Point(double Judge, double Model, double Kl);
