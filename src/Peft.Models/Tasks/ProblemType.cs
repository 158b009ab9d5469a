namespace Peft.Models;

/// <summary>The problem type of a classification head (<c>problem_type</c> of <c>config.json</c>).</summary>
public enum ProblemType
{
    /// <summary>One class per text.</summary>
    SingleLabel,

    /// <summary>Any number of classes per text.</summary>
    MultiLabel,

    /// <summary>A value per text.</summary>
    Regression,
}
