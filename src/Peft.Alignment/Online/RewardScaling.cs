namespace Peft;

/// <summary>What an advantage is divided by.</summary>
public enum RewardScaling
{
    /// <summary>The standard deviation of its group.</summary>
    Group,

    /// <summary>The standard deviation of all rewards.</summary>
    Batch,

    /// <summary>Nothing.</summary>
    None,
}
