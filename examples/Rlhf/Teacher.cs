namespace Rlhf;

/// <summary>Who gives the rewards.</summary>
internal enum Teacher { Judge, RewardModel }
