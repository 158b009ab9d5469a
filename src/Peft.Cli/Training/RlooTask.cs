namespace Peft.Cli;

/// <summary>REINFORCE leave-one-out.</summary>
internal sealed class RlooTask() : OnlineTask<RlooOptions>("rloo", "REINFORCE leave-one-out: raises the rewards of the model's own completions of prompts, each compared with the others of its prompt.", defaultGenerations: 2)
{
    protected override double BetaOf(RlooOptions settings) => settings.Beta;

    protected override Objective Create(PeftModel model, RolloutOptions rollouts, RlooOptions settings, Reference? reference) => new RlooObjective(model, rollouts, settings, reference);
}
