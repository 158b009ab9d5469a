namespace Peft.Cli;

/// <summary>Group relative policy optimization.</summary>
internal sealed class GrpoTask() : OnlineTask<GrpoOptions>("grpo", "Group relative policy optimization: raises the rewards of the model's own completions of prompts.", defaultGenerations: 8)
{
    protected override double BetaOf(GrpoOptions settings) => settings.Beta;

    protected override Objective Create(PeftModel model, RolloutOptions rollouts, GrpoOptions settings, Reference? reference) => new GrpoObjective(model, rollouts, settings, reference);
}
