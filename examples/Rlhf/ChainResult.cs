namespace Rlhf;

/// <summary>All stages with one seed.</summary>
internal sealed record ChainResult(int Seed, Measurement Pretrained, Measurement Tuned, RewardResult Reward, IReadOnlyList<Run> Runs);
