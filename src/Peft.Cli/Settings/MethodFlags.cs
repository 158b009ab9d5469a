namespace Peft.Cli;

/// <summary>The options that choose a method and its settings.</summary>
internal sealed class MethodFlags
{
    public Option<string> Method { get; } = new Option<string>("--method") { Description = "The method, by its peft_type; `peft methods` lists them.", HelpName = "name", DefaultValueFactory = _ => "lora" }.Suggest(() => AdapterMethods.Known.Keys.Select(name => name.ToLowerInvariant()));

    public Option<int?> Rank { get; } = new("--rank", "-r") { Description = "Rank of the update.", HelpName = "int" };

    public Option<double?> Alpha { get; } = new("--alpha") { Description = "Alpha of the scaling.", HelpName = "number" };

    public Option<double?> Dropout { get; } = new("--dropout") { Description = "Dropout probability of the adapter.", HelpName = "0…1" };

    public Option<string> Targets { get; } = new("--targets") { Description = "The modules to adapt: names (q_proj,v_proj), a regular expression, or all-linear.", HelpName = "names" };

    public Option<string[]> Set { get; } = new("--set") { Description = "Any setting of the method, by its name in adapter_config.json: --set use_dora=true.", HelpName = "name=value", AllowMultipleArgumentsPerToken = false };

    public IEnumerable<Option> All => [Method, Rank, Alpha, Dropout, Targets, Set];

    /// <exception cref="ToolException">An option is given, but the adapter exists already.</exception>
    public void Refuse(ToolContext context)
    {
        if (All.FirstOrDefault(context.Has) is { } given) throw new ToolException($"{given.Name} is for a new adapter, but --adapter goes on training one that has its settings: leave out one of the two.");
    }

    /// <summary>The type of options of a method.</summary>
    /// <exception cref="ToolException">There is no such method.</exception>
    public static Type TypeOf(string name)
        => AdapterMethods.Known.FirstOrDefault(method => Plain(method.Key) == Plain(name)).Value
            ?? throw new ToolException($"There is no method '{name}'. Methods: {string.Join(", ", AdapterMethods.Known.Keys.Select(each => each.ToLowerInvariant()).Order(StringComparer.Ordinal))}.");

    /// <summary>The options of the method.</summary>
    /// <exception cref="ToolException">The method or a setting is unknown, or a value cannot be read.</exception>
    /// <exception cref="AdapterOptionsException">A value is not allowed.</exception>
    public AdapterOptions Options(ToolContext context)
    {
        var type = TypeOf(context.Get(Method)!);
        if (type.GetConstructor(Type.EmptyTypes) is null) throw new ToolException($"{type.Name} needs settings that a command line cannot give: use the library.");
        var settings = new List<KeyValuePair<string, string>>();
        void Add(string name, IFormattable? value)
        {
            if (value is not null) settings.Add(new(name, value.ToString(null, System.Globalization.CultureInfo.InvariantCulture)));
        }
        Add("Rank", context.Get(Rank));
        Add("Alpha", context.Get(Alpha));
        Add("Dropout", context.Get(Dropout));
        if (context.Get(Targets) is { } targets) settings.Add(new("TargetModules", targets));
        settings.AddRange(Settings.Split(context.Get(Set), "--set"));
        var options = Settings.Apply((AdapterOptions)Activator.CreateInstance(type)!, settings, $"--method {context.Get(Method)}");
        options.Validate();
        if (options is LoraOptions { Initialization: var start } && (start == LoraInitialization.Corda || start == LoraInitialization.Eva || start == LoraInitialization.LoraGa || start == LoraInitialization.Loftq))
            throw new ToolException($"init_lora_weights={start} computes the factors from samples or weights, which no command does: take pissa, olora or the default, or use the library.");
        return options;
    }

    private static string Plain(string name) => name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToUpperInvariant();
}
