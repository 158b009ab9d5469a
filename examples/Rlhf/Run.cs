namespace Rlhf;

/// <summary>A method of reinforcement learning.</summary>
internal enum Method { Ppo, Grpo }

/// <summary>Who gives the rewards.</summary>
internal enum Teacher { Judge, RewardModel }

/// <summary>The stories of an update.</summary>
/// <param name="Judge">Mean score of the judge.</param>
/// <param name="Model">Mean score of the reward model; NaN if the judge gives the rewards.</param>
/// <param name="Kl">Divergence from the fine-tuned model, in nats per story.</param>
internal sealed record Point(double Judge, double Model, double Kl);

/// <summary>Stories for prompts that no training has seen.</summary>
/// <param name="Score">Mean score of the judge.</param>
/// <param name="Words">Mean number of words.</param>
/// <param name="Distinct">Different words per word.</param>
/// <param name="Samples">Some of them.</param>
internal sealed record Measurement(double Score, double Words, double Distinct, IReadOnlyList<Story> Samples);

/// <summary>A run of reinforcement learning.</summary>
internal sealed record Run(Method Method, Teacher Teacher, int Seed, IReadOnlyList<Point> Points, Measurement After, bool Stopped, double Seconds);

/// <summary>A reward model.</summary>
/// <param name="Accuracy">Share of held-out pairs in which it prefers the story that the judge prefers.</param>
/// <param name="Pairs">Number of held-out pairs.</param>
/// <param name="TrainingPairs">Number of pairs that it learned from.</param>
internal sealed record RewardResult(double Accuracy, int Pairs, int TrainingPairs);

/// <summary>All stages with one seed.</summary>
internal sealed record ChainResult(int Seed, Measurement Pretrained, Measurement Tuned, RewardResult Reward, IReadOnlyList<Run> Runs);
