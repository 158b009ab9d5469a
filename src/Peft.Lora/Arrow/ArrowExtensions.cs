namespace Peft;

/// <summary>Extension methods that route between trained LoRA adapters.</summary>
public static class ArrowExtensions
{
    /// <summary>Name of the adapter that <see cref="ApplyArrow"/> activates.</summary>
    public const string RouterName = "arrow_router";

    /// <summary>
    /// Freezes a model, adds trained LoRA adapters to it as <c>task_0</c>, <c>task_1</c>, …, and activates a router that mixes a few of them at each position (Ostapenko et al. 2024,
    /// arXiv:2405.11157). Nothing is trained. Like <c>create_arrow_model</c> of Hugging Face PEFT.
    /// </summary>
    /// <remarks>The router contains copies of the experts' factors, so the other adapters can be deleted. A saved router can be loaded only into a model that has adapters with these names.</remarks>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="experts">Folders of the LoRA adapters, which adapt the same linear modules with the same rank.</param>
    /// <param name="options">Settings; the defaults if null. Names in them are replaced.</param>
    /// <param name="general">Folders of LoRA adapters of general knowledge, added as <c>gks_0</c>, …; with <see cref="ArrowOptions.SubtractsGeneral"/> only.</param>
    /// <exception cref="AdapterOptionsException">The options are invalid, or an adapter cannot be mixed with the others.</exception>
    /// <exception cref="AdapterMismatchException">An adapter does not fit the model.</exception>
    public static PeftModel ApplyArrow(this nn.Module model, IReadOnlyList<string> experts, ArrowOptions? options = null, IReadOnlyList<string>? general = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(experts);
        options ??= new ArrowOptions();
        if (general is { Count: > 0 } && !options.SubtractsGeneral) throw new AdapterOptionsException($"There are adapters of general knowledge, but {nameof(options.SubtractsGeneral)} is false: set it, or leave them out.");
        string[] tasks = [.. experts.Select((_, i) => $"task_{i}")], generals = [.. (general ?? []).Select((_, i) => $"gks_{i}")];
        options = options with { Experts = tasks, General = generals };
        if (options.Errors().ToList() is { Count: > 0 } errors) throw new AdapterOptionsException(string.Join(' ', errors));
        var peft = new PeftModel(model);
        try
        {
            foreach (var (name, folder) in tasks.Concat(generals).Zip(experts.Concat(general ?? []))) peft.LoadAdapter(folder, name);
            string[] paths = [.. peft.Find(tasks[0]).Layers.Select(layer => layer.Target.Path).Distinct()];
            peft.Add(RouterName, new LoraOptions { Rank = LoraRank(peft, tasks[0]), TargetModules = ModuleSelector.Create(paths), Arrow = options });
            peft.Activate(RouterName);
            return peft;
        }
        catch
        {
            peft.Dispose();
            throw;
        }
    }

    private static int LoraRank(PeftModel peft, string name) => LoraCombining.LoraOf(peft, name).Rank;
}
