using Peft.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The structure of a model, for planning an adapter: its modules by path, and which of them are targets.</summary>
public sealed class ModelTree
{
    internal static readonly string[] ClassifierNames = ["classifier", "score"];
    internal static readonly string[] AnswererNames = ["qa_outputs"];

    private readonly Dictionary<nn.Module, Target> byModule = new(ReferenceEqualityComparer.Instance);

    internal ModelTree(nn.Module model, HashSet<string>? learning = null)
    {
        Model = model;
        Learning = learning ?? [.. model.named_parameters().Where(pair => pair.parameter.requires_grad).Select(pair => pair.name)];
        foreach (var (path, module) in Walk(model))
        {
            if (IsDisposed(module)) throw new ObjectDisposedException(model.GetType().Name, $"This {model.GetType().Name} was disposed{(path.Length == 0 ? "" : $", or its module {path} was")}: adapt a live model.");
            Paths.Add(path);
            // A module with several paths is a single target, identified by its first path.
            if (byModule.TryGetValue(module, out var shared)) OtherPaths.Add(path, shared);
            if (shared is not null || Target.From(path, module) is not { } target) continue;
            byModule.Add(module, target);
            All.Add(target);
        }
    }

    private static bool IsDisposed(nn.Module module) => module switch
    {
        AdaptableModule own => own.IsDisposed || own.Storage.Parameter is { IsInvalid: true },
        TorchSharp.Modules.Linear { weight: var weight } => weight is not { IsInvalid: false },
        _ => false,
    };

    /// <summary>The model.</summary>
    public nn.Module Model { get; }

    /// <summary>Every module that can be adapted, in the order of the model. A module that the model uses twice occurs once.</summary>
    public IReadOnlyList<Target> Targets => All;

    /// <summary>Architecture, if the model is a pretrained transformer.</summary>
    public string? ModelType => (Model as IPretrainedModel)?.ModelType;

    /// <summary>Task of the model, if known.</summary>
    public string? TaskType => (Model as IPretrainedModel)?.TaskType;

    /// <summary>Paths of all modules, including those that cannot be adapted.</summary>
    public IReadOnlyList<string> ModulePaths => Paths;

    private List<string> Paths { get; } = [];

    /// <summary>Names of the parameters that required gradients before the model was frozen.</summary>
    internal HashSet<string> Learning { get; }

    /// <summary>Additional paths of targets with several paths.</summary>
    internal Dictionary<string, Target> OtherPaths { get; } = [];

    private List<Target> All { get; } = [];

    /// <summary>The token embedding, if the model is a pretrained transformer.</summary>
    public Target? InputEmbeddings => Find((Model as IPretrainedModel)?.InputEmbeddings);

    /// <summary>The head, if the model is a pretrained transformer and has one.</summary>
    public Target? Head => Find((Model as IPretrainedModel)?.Head);

    /// <summary>Finds other targets that use the same weight, such as a head that is tied to the embedding.</summary>
    public IEnumerable<Target> TiedWith(Target target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return All.Where(other => other != target && other.SharesWeightWith(target));
    }

    /// <summary>Finds the targets that match a list of names by Hugging Face's rule (a path or its last parts).</summary>
    public IReadOnlyList<Target> Named(IEnumerable<string> names)
        => [.. All.Where(target => names.Any(name => ModuleSelector.Means(name, target.Path)))];

    /// <summary>
    /// Finds the parameters that match a list of names (a path or its last parts): the weights of <see cref="Targets"/>, and matrices <c>[out, in]</c> or
    /// <c>[experts, out, in]</c> of other modules.
    /// </summary>
    /// <param name="field">Name of the option, for error messages.</param>
    /// <param name="names">The names.</param>
    /// <exception cref="TargetNotFoundException">A name matches no parameter.</exception>
    public IReadOnlyList<Target> Parameters(string field, IReadOnlyCollection<string> names)
    {
        var matches = All.Where(target => names.Any(name => ModuleSelector.Means(name, $"{target.Path}.weight"))).ToList();
        var idle = names.Where(name => !matches.Any(target => ModuleSelector.Means(name, $"{target.Path}.weight"))).ToList();
        foreach (var (path, module) in Walk(Model).Where(pair => !byModule.ContainsKey(pair.Module)))
        {
            var own = module.named_parameters(recurse: false).Where(pair => names.Any(name => ModuleSelector.Means(name, path.Length == 0 ? pair.name : $"{path}.{pair.name}"))).ToList();
            idle.RemoveAll(name => own.Any(pair => ModuleSelector.Means(name, path.Length == 0 ? pair.name : $"{path}.{pair.name}")));
            if (own.Find(pair => pair.parameter.dim() is not (2 or 3)) is { name: { } odd, parameter: { } vector })
                throw new TargetNotFoundException($"{field}: {path}.{odd} is [{string.Join(", ", vector.shape)}], but only matrices and stacks of matrices can be adapted.");
            // Hugging Face PEFT wraps a module once per parameter; the wrapper of the last parameter is outermost.
            matches.AddRange(own.Select((pair, i) => new ParameterTarget(
                string.Join('.', Enumerable.Repeat("base_layer", own.Count - 1 - i).Prepend(path).Where(part => part.Length > 0)), pair.name, module, pair.parameter)));
        }
        if (idle.Count > 0) throw NotFound(field, idle);
        return matches;
    }

    /// <summary>Selects parameters of modules that are not targets, by path. Each is a separate target.</summary>
    /// <exception cref="PeftException">A parameter cannot be replaced for the duration of a forward pass.</exception>
    internal IEnumerable<ParameterTarget> LooseParameters(Func<string, bool> chosen) => LooseParameters((_, path) => chosen(path));

    /// <summary>Likewise, by the path of the module and that of the parameter.</summary>
    internal IEnumerable<ParameterTarget> LooseParameters(Func<string, string, bool> chosen)
    {
        var all = Walk(Model).Where(pair => !byModule.ContainsKey(pair.Module))
            .SelectMany(pair => pair.Module.named_parameters(recurse: false).Select(own => new ParameterTarget(pair.Path, own.name, pair.Module, own.parameter))).ToList();
        foreach (var target in all.Where(target => chosen(target.Path, target.ParameterPath)))
        {
            if (All.Concat(all).Count(other => other.SharesWeightWith(target)) > 1)
                throw new PeftException($"{target} is also the parameter of another module, and only the code of the modules knows where it is used. Train the model with a {nameof(ModuleTrainable)} instead.");
            if (!target.IsManaged)
                throw new PeftException($"{target} is used by native code, so its value cannot be replaced for a forward pass. Train the model with a {nameof(ModuleTrainable)} instead.");
            yield return target;
        }
    }

    /// <summary>The model, if it supports virtual tokens.</summary>
    /// <exception cref="AdapterOptionsException">The model does not support virtual tokens.</exception>
    public IPromptedModel Prompted => Model as IPromptedModel ?? throw new AdapterOptionsException(
        $"This method prepends virtual tokens to the input of a pretrained transformer ({nameof(IPromptedModel)}), but {Model.GetType().Name} is not one. Use a method that adapts modules, such as LoRA.");

    /// <summary>Returns the modules that are new for a task and must be trained with an adapter, by Hugging Face PEFT's names: the classifier. Empty for a language model.</summary>
    /// <param name="taskType">The task, such as <c>SEQ_CLS</c>; the model's own if null.</param>
    public IReadOnlyList<string> NewModules(string? taskType = null) => (taskType ?? TaskType) switch
    {
        "SEQ_CLS" or "TOKEN_CLS" => ClassifierNames,
        "QUESTION_ANS" => AnswererNames,
        _ => [],
    };

    /// <summary>Returns the names of the fully trained modules: those of the options, as names that Hugging Face PEFT matches in the same way, and those that are new for the task.</summary>
    /// <param name="options">The options.</param>
    /// <param name="names">Their <c>modules_to_save</c>.</param>
    /// <exception cref="TargetNotFoundException">A name from the program matches nothing.</exception>
    public IReadOnlyList<string>? WholeModuleNames(AdapterOptions options, IReadOnlyList<string>? names)
    {
        ArgumentNullException.ThrowIfNull(options);
        // Names from a file follow Hugging Face's rule. Names from a program match a path or its last parts. They become paths if Hugging Face's rule would match more.
        if (names is not null && !options.InferenceMode)
        {
            if (names.Any(string.IsNullOrWhiteSpace)) throw new AdapterOptionsException($"A name of {nameof(TargetedOptions.ModulesToSave)} [{string.Join(", ", names)}] is empty: remove it.");
            string[] idle = [.. names.Where(name => !IsNew(name) && !Paths.Exists(path => ModuleSelector.Means(name, path)))];
            if (idle.Length > 0) throw NotFound(nameof(TargetedOptions.ModulesToSave), idle);
            names = [.. names.SelectMany(name => IsNew(name) || Paths.TrueForAll(path => !Ends(path, name) || ModuleSelector.Means(name, path)) ? [name] : Paths.Where(path => ModuleSelector.Means(name, path))).Distinct()];
            if (options is ITiesWeights { TiesWeights: true })
                names = [.. names, .. All.Where(target => IsTrainedWhole(names, target.Path)).SelectMany(TiedWith).Where(target => !IsTrainedWhole(names, target.Path)).Select(target => target.Path).Distinct()];
        }
        // The head of a task is new and must be trained with the adapter. Hugging Face lists all head names that its models use for the task.
        // A saved adapter without a task has no head: it uses that of the model.
        if (options is { InferenceMode: true, TaskType: null }) return names;
        string[] missing = [.. NewModules(options.TaskType).Except(names ?? [])];
        return missing.Length == 0 ? names : [.. names ?? [], .. missing];
    }

    private static bool IsNew(string name) => ClassifierNames.Contains(name) || AnswererNames.Contains(name);

    /// <summary>Creates layers that fully train modules.</summary>
    /// <param name="names">Names as in <see cref="TargetedOptions.ModulesToSave"/>; those of <see cref="NewModules"/> may match nothing.</param>
    /// <exception cref="TargetNotFoundException">Another name matches nothing.</exception>
    public IReadOnlyList<AdapterLayer> WholeModules(IReadOnlyList<string> names)
    {
        RequireWholeModules(names);
        return [.. All.Where(target => IsTrainedWhole(names, target.Path)).Select(target => new FullLayer(target)), .. WholeParametersOf(names)];
    }

    // Parameters of modules that are not targets.
    private IEnumerable<FullLayer> WholeParametersOf(IReadOnlyList<string> names)
        => LooseParameters((module, _) => IsTrainedWhole(names, module)).Select(target => Statistics(target.Module) is { } name
            ? throw new AdapterOptionsException($"{target.Path} ({target.Module.GetType().Name}) has statistics ({name}) that training changes and that an adapter does not contain, so it cannot be fully trained in one: leave it out of {nameof(TargetedOptions.ModulesToSave)}, or train the model with a {nameof(ModuleTrainable)}.")
            : new FullLayer(target, trainsWeight: true, trainsBias: false, tiedTo: null));

    // Those of batch normalization.
    private static string? Statistics(nn.Module module) => module.named_buffers(recurse: false).Select(pair => pair.name).FirstOrDefault(name => name.StartsWith("running_", StringComparison.Ordinal));

    /// <summary>True if options fully train a target (<see cref="TargetedOptions.ModulesToSave"/>).</summary>
    public bool IsTrainedWhole(TargetedOptions options, Target target)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(target);
        return IsTrainedWhole(options, target.Path);
    }

    /// <summary>True if options fully train the module of a path.</summary>
    internal bool IsTrainedWhole(TargetedOptions options, string path) => options.ModulesToSave is { Count: > 0 } names && IsTrainedWhole(names, path);

    private bool IsTrainedWhole(IReadOnlyList<string> names, string module) => Paths.Any(path => names.Any(name => Ends(path, name)) && IsUnder(module, path));

    /// <summary>Returns the names of fully trained modules that match nothing, except names that Hugging Face PEFT adds.</summary>
    internal IEnumerable<string> UnmatchedWholeModules(IReadOnlyList<string> names) => names.Where(name => !IsNew(name) && !Paths.Any(path => Ends(path, name)));

    private void RequireWholeModules(IReadOnlyList<string> names)
    {
        var unmatched = UnmatchedWholeModules(names).ToList();
        if (unmatched.Count > 0) throw TargetHints.NotFound(this, nameof(TargetedOptions.ModulesToSave), unmatched);
    }

    /// <summary>Creates the error for names that match nothing, with the nearest names and an outline of the model.</summary>
    /// <param name="field">Name of the option.</param>
    /// <param name="names">The names.</param>
    public TargetNotFoundException NotFound(string field, IReadOnlyCollection<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        return names.Contains(null!) ? throw new ArgumentException($"{field} contains a null name.", nameof(names)) : TargetHints.NotFound(this, field, names);
    }

    internal bool IsHead(Target target) => target == Head || (TaskType == "SEQ_CLS" && ClassifierNames.Any(name => ModuleSelector.Means(name, target.Path)));

    /// <summary>Creates the layers of the modules that options fully train, and of modules tied to them if the options require it.</summary>
    internal IEnumerable<AdapterLayer> WholeModules(TargetedOptions options, IReadOnlyList<AdapterLayer> adapted)
    {
        if (options.ModulesToSave is not { Count: > 0 } names) return [];
        if (!options.InferenceMode) RequireWholeModules(names);   // only a warning for a saved adapter
        var layers = new List<AdapterLayer>();
        foreach (var target in All.Where(target => IsTrainedWhole(options, target) && adapted.Concat(layers).All(layer => layer.Target != target)))
        {
            var full = new FullLayer(target, amongBiases: options.TrainsAllBiases);
            layers.Add(full);
            if (options is not ITiesWeights { TiesWeights: true }) continue;
            // As in Hugging Face PEFT, a file that names only the embedding contains the tied head as well.
            var tied = TiedWith(target).Where(other => target.IsLookup || IsTrainedWhole(options, other)).ToList();
            if (tied.Find(other => adapted.Any(layer => layer.Target == other)) is { } twice)
                throw new AdapterOptionsException($"{twice.Path} shares its weight with {target.Path}, which is fully trained ({nameof(TargetedOptions.ModulesToSave)}), so it cannot be adapted too: remove one of them.");
            layers.AddRange(tied.Select(other => new FullLayer(other, full)));
        }
        var own = WholeParametersOf(names).ToList();
        if (own.Find(layer => adapted.Any(other => other.Target.Key == layer.Target.Key)) is { Target: var both })
            throw new AdapterOptionsException($"{both} is fully trained ({nameof(TargetedOptions.ModulesToSave)}), so it cannot be adapted too: remove one of them.");
        return layers.Concat(own);
    }

    // For saved modules, Hugging Face matches by suffix: "classifier" also matches "pre_classifier".
    internal static bool Ends(string path, string name) => path.EndsWith(name, StringComparison.Ordinal);

    private static bool IsUnder(string path, string root) => path == root || path.StartsWith(root + ".", StringComparison.Ordinal);

    private Target? Find(nn.Module? module) => module is not null && byModule.TryGetValue(module, out var target) ? target : null;

    // TorchSharp's named_modules does not include the module itself, but a model may be a single Linear.
    private static IEnumerable<(string Path, nn.Module Module)> Walk(nn.Module model)
        => model.named_modules().Select(pair => (pair.name, pair.module)).Prepend(("", model));
}
