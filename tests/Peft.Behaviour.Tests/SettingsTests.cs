using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peft.Models;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>Every options record of every package as .NET's binder of settings reads it.</summary>
public sealed class SettingsTests
{
    private static readonly Assembly[] Packages =
        [typeof(PeftException).Assembly, typeof(HubClient).Assembly, typeof(Tokenizer).Assembly, typeof(TrainingOptions).Assembly, typeof(LoraOptions).Assembly, typeof(BottleneckOptions).Assembly, typeof(PromptTuningOptions).Assembly, typeof(CausalLM).Assembly];

    // What a program makes and no settings file can hold, and what a file of an adapter holds besides its fields.
    private static readonly Type[] Objects =
        [typeof(ILogger), typeof(IProgress<HubProgress>), typeof(HttpMessageHandler), typeof(TimeProvider), typeof(ModelRegistry), typeof(ITokenizer), typeof(IReadOnlyList<AITool>), typeof(IReadOnlyList<ILogitsProcessor>),
         typeof(IReadOnlyDictionary<string, object?>), typeof(Dictionary<string, JsonElement>), typeof(TaskDescription)];

    private static IEnumerable<Type> Records => Packages.SelectMany(package => package.GetExportedTypes())
        .Where(type => type is { IsAbstract: false } && type.GetMethod("<Clone>$") is not null && (type.Name.EndsWith("Options", StringComparison.Ordinal) || type == typeof(ResourceLimits)));

    private static IEnumerable<PropertyInfo> Fields(Type record)
        => record.GetProperties().Where(property => property.SetMethod is { IsPublic: true } && property.Name is not (nameof(AdapterOptions.PeftType) or nameof(AdapterOptions.Task)) && !Objects.Contains(property.PropertyType));

    public static TheoryData<Type> EveryRecord => [.. Records];

    public static TheoryData<Type, string> EveryField
    {
        get
        {
            var data = new TheoryData<Type, string>();
            foreach (var record in Records)
                foreach (var each in Fields(record)) data.Add(record, each.Name);
            return data;
        }
    }

    [Fact]
    public void The_records_are_found()
    {
        Records.ShouldContain(typeof(GenerationOptions));
        Records.Where(type => type.IsSubclassOf(typeof(AdapterOptions))).ShouldBe(AdapterMethods.Known.Values, ignoreOrder: true);
        Records.Count().ShouldBeGreaterThan(60);
    }

    [Theory, MemberData(nameof(EveryField))]
    public void Every_field_is_bound(Type record, string name)
    {
        var field = record.GetProperty(name)!;
        var before = field.GetValue(Activator.CreateInstance(record));
        var samples = Samples(field.PropertyType, before).ToList();
        samples.ShouldNotBeEmpty();
        foreach (var (json, expected) in samples)
        {
            Text(expected).ShouldNotBe(Text(before), $"the sample {json} is the default");
            foreach (var strict in new[] { true, false })
                Text(field.GetValue(Bind(record, new JsonObject { [name] = json?.DeepClone() }, strict))).ShouldBe(Text(expected), $"{record.Name}.{name} from {json}");
        }
    }

    // Any text is one of the others, and whoever uses it says whether it knows it.
    public static TheoryData<Type, string> EveryFieldThatIsNoText
    {
        get
        {
            Type[] texts = [typeof(string), typeof(ModuleSelector), typeof(LoraInitialization), typeof(IReadOnlyList<string>)];
            var data = new TheoryData<Type, string>();
            foreach (var record in Records)
                foreach (var each in Fields(record).Where(each => !texts.Contains(each.PropertyType))) data.Add(record, each.Name);
            return data;
        }
    }

    [Theory, MemberData(nameof(EveryFieldThatIsNoText))]
    public void A_text_that_is_no_value_of_a_field_is_refused(Type record, string name)
    {
        foreach (var strict in new[] { true, false })
            Should.Throw<InvalidOperationException>(() => Bind(record, new JsonObject { [name] = "no such thing" }, strict)).Message.ShouldContain(name);
    }

    [Theory, MemberData(nameof(EveryRecord))]
    public void An_unknown_key_is_refused_on_request(Type record)
    {
        var settings = new JsonObject { ["NoSuchKey"] = 1 };
        Should.Throw<InvalidOperationException>(() => Bind(record, settings, strict: true)).Message.ShouldContain("NoSuchKey");
        Should.NotThrow(() => Bind(record, settings, strict: false));
    }

    [Theory, MemberData(nameof(EveryRecord))]
    public void Settings_that_say_nothing_leave_all_defaults(Type record)
    {
        var (bound, fresh) = (Bind(record, new JsonObject { ["x"] = null }, strict: false), Activator.CreateInstance(record));
        foreach (var field in Fields(record)) Text(field.GetValue(bound)).ShouldBe(Text(field.GetValue(fresh)), field.Name);
    }

    public static TheoryData<Type> EveryEnumeration => [.. Records.SelectMany(Fields).Select(each => Nullable.GetUnderlyingType(each.PropertyType) ?? each.PropertyType).Where(type => type.IsEnum && Packages.Contains(type.Assembly)).Distinct()];

    [Theory, MemberData(nameof(EveryEnumeration))]
    public void Members_of_enumerations_go_by_the_names_of_files_and_by_their_own(Type type)
    {
        var converter = System.ComponentModel.TypeDescriptor.GetConverter(type);
        foreach (var member in type.GetFields().Where(field => field.IsLiteral))
            foreach (var name in new[] { member.Name, member.Name.ToUpperInvariant(), member.GetCustomAttribute<System.Text.Json.Serialization.JsonStringEnumMemberNameAttribute>()?.Name }.OfType<string>())
                converter.ConvertFromInvariantString(name).ShouldBe(member.GetValue(null));
    }

    [Fact]
    public void A_method_that_the_record_is_not_for_is_refused()
    {
        Should.Throw<Exception>(() => Bind(typeof(LoraOptions), new JsonObject { ["PeftType"] = "IA3" }, strict: false)).ToString().ShouldContain("IA3");
        Bind(typeof(LoraOptions), new JsonObject { ["PeftType"] = "LORA" }, strict: true).ShouldBeOfType<LoraOptions>();
    }

    [Theory]
    [InlineData("linear", "LinearSchedule")]
    [InlineData("Constant", "ConstantSchedule")]
    [InlineData("constant_with_warmup", "ConstantSchedule")]
    [InlineData("cosine", "Cycles = 0.5")]
    [InlineData("cosine(cycles: 0.7)", "Cycles = 0.7")]
    [InlineData("cosine_with_restarts(num_cycles=3)", "CosineRestartSchedule { Cycles = 3")]
    [InlineData("Polynomial( power: 2 , EndFactor: 0.1 )", "Power = 2, EndFactor = 0.1")]
    [InlineData("inverse_sqrt(timescale: 9)", "TimeScale = 9")]
    [InlineData("warmup_stable_decay(decay_steps: 5, min_lr_ratio: 0.2)", "DecaySteps = 5, MinimumFactor = 0.2")]
    public void Schedules_are_read_from_text(string text, string expected) => LearningRateSchedule.Parse(text).ToString().ShouldContain(expected);

    [Theory]
    [InlineData("")]
    [InlineData("cosin")]
    [InlineData("cosine(")]
    [InlineData("cosine(cycles)")]
    [InlineData("cosine(cycles: x)")]
    [InlineData("cosine(cycles: 1, cycles: 2)")]
    [InlineData("cosine(power: 1)")]
    [InlineData("linear(1)")]
    [InlineData("cosine_with_restarts(cycles: 1.5)")]
    [InlineData("warmup_stable_decay")]
    public void Texts_that_are_no_schedule_are_refused(string text) => Should.Throw<FormatException>(() => LearningRateSchedule.Parse(text));

    [Fact]
    public void Services_bind_records_too()
    {
        var services = new ServiceCollection().AddSingleton(Settings("""{"Lora": {"Rank": 4, "TargetModules": ["q_proj", "v_proj"], "Initialization": "pissa"}, "Train": {"Schedule": "cosine", "MaxMemory": 3000000000, "Optimizer": {"WeightDecay": 0.1}}}"""));
        services.AddOptions<LoraOptions>().BindConfiguration("Lora", binder => binder.ErrorOnUnknownConfiguration = true);
        services.AddOptions<TrainingOptions>().Configure<IConfiguration>((options, settings) => settings.GetSection("Train").Bind(options));
        using var provider = services.BuildServiceProvider();
        var lora = provider.GetRequiredService<IOptions<LoraOptions>>().Value;
        (lora.Rank, lora.TargetModules!.Names, lora.Initialization).ShouldBe((4, lora.TargetModules.Names, LoraInitialization.Pissa));
        lora.TargetModules.Names.ShouldBe(["q_proj", "v_proj"]);
        var training = provider.GetRequiredService<IOptions<TrainingOptions>>().Value;
        training.Schedule.ShouldBe(LearningRateSchedule.Cosine());
        training.MaxMemory.ShouldBe(3_000_000_000);
        training.Optimizer.WeightDecay.ShouldBe(0.1);
    }

    [Fact]
    public void A_bound_list_changes_no_shared_value()
    {
        var options = new LoraOptions { TargetModules = ModuleSelector.AllLinear };
        Should.Throw<InvalidOperationException>(() => Settings("""{"TargetModules": ["q_proj"]}""").Bind(options, binder => binder.ErrorOnUnknownConfiguration = true));
        ModuleSelector.AllLinear.Names.ShouldBeEmpty();
    }

    private static object Bind(Type record, JsonObject settings, bool strict)
        => Settings(new JsonObject { ["Section"] = settings.DeepClone() }.ToJsonString()).GetSection("Section").Get(record, binder => binder.ErrorOnUnknownConfiguration = strict) ?? Activator.CreateInstance(record)!;

    private static IConfiguration Settings(string json) => new ConfigurationBuilder().AddJsonStream(new MemoryStream(System.Text.Encoding.UTF8.GetBytes(json))).Build();

    /// <summary>Values of a type other than the default, as they stand in a settings file and as they are.</summary>
    private static IEnumerable<(JsonNode? Json, object? Value)> Samples(Type type, object? before)
    {
        if (before is not null && (Nullable.GetUnderlyingType(type) is not null || type == typeof(string) && before is not "")) yield return type == typeof(string) ? ("", "") : (null, null);
        var own = Nullable.GetUnderlyingType(type) ?? type;
        if (own.IsEnum)
        {
            foreach (var value in Enum.GetValues(own).Cast<object>().Where(value => !value.Equals(before))) yield return (value.ToString(), value);
            yield break;
        }
        (JsonNode? Json, object? Value)[] samples = own switch
        {
            _ when own == typeof(bool) => [(!(before as bool? ?? false), !(before as bool? ?? false))],
            _ when own == typeof(int) => [((before as int? ?? 0) + 7, (before as int? ?? 0) + 7)],
            _ when own == typeof(long) => [((before as long? ?? 0) + 7, (before as long? ?? 0) + 7)],
            _ when own == typeof(double) => [((before as double? ?? 0) + 0.25, (before as double? ?? 0) + 0.25), (1e-5, 1e-5)],
            _ when own == typeof(string) => [("some text", "some text")],
            _ when own == typeof(TimeSpan) => [("00:01:30", TimeSpan.FromSeconds(90))],
            _ when own == typeof(Device) => [("cpu", CPU), ("cuda:1", new Device("cuda:1"))],
            _ when own == typeof(ModuleSelector) => [("all-linear", ModuleSelector.AllLinear), (".*[qv]_proj", (ModuleSelector)".*[qv]_proj"), (Parsed("""["q_proj", "v_proj"]"""), (ModuleSelector)(["q_proj", "v_proj"])), ("""["q_proj"]""", (ModuleSelector)(["q_proj"]))],
            _ when own == typeof(LoraInitialization) => [("pissa", LoraInitialization.Pissa), (false, LoraInitialization.Random), ("pissa_niter_4", LoraInitialization.PissaByIterations(4))],
            _ when own == typeof(BottleneckScaling) => [(2.5, (BottleneckScaling)2.5), ("learned", BottleneckScaling.Learned)],
            _ when own == typeof(ReductionFactor) => [(4, (ReductionFactor)4), (Parsed("""{"1": 8, "default": 2}"""), new ReductionFactor(new Dictionary<string, double> { ["1"] = 8, ["default"] = 2 }))],
            _ when own == typeof(TokenIndices) => [(5, new TokenIndices([5])), (Parsed("[1, 3]"), new TokenIndices([1, 3])), (Parsed("""{"embed_tokens": [1, 3], "other": [2]}"""), new TokenIndices(new Dictionary<string, IReadOnlyList<int>> { ["embed_tokens"] = [1, 3], ["other"] = [2] }))],
            _ when own == typeof(FlatOptimizerOptions) => [("lion", new LionOptions()), ("schedule_free_adamw", new ScheduleFreeAdamWOptions())],
            _ when own == typeof(QuantizationOptions) => [("nf4", QuantizationOptions.Nf4()), ("fp4_double", QuantizationOptions.Fp4(doubleQuantization: true))],
            _ when own == typeof(LearningRateSchedule) => [("cosine", LearningRateSchedule.Cosine()), ("polynomial(power: 2)", LearningRateSchedule.Polynomial(2))],
            _ when own == typeof(LengthDecay) => [(Parsed("""{"Start": 3, "Factor": 1.5}"""), new LengthDecay(3, 1.5))],
            _ when own == typeof(IReadOnlyList<int>) => [(Parsed("[3, 5]"), new[] { 3, 5 }), (3, new[] { 3 }), ("[3, 5]", new[] { 3, 5 })],
            _ when own == typeof(IReadOnlyList<string>) => [(Parsed("""["a", "b"]"""), new[] { "a", "b" }), ("a", new[] { "a" }), ("3", new[] { "3" })],
            _ when own == typeof(IReadOnlyList<IReadOnlyList<int>>) => [(Parsed("[[1, 2], [3]]"), new int[][] { [1, 2], [3] })],
            _ when own == typeof(IReadOnlyList<LayerRange>) => [(Parsed("""[{"Start": 0, "End": 2}, {"Start": 1, "End": 3}]"""), new LayerRange[] { new(0, 2), new(1, 3) }), ("[[0, 2]]", new LayerRange[] { new(0, 2) })],
            _ when own == typeof(IReadOnlyList<TokenBias>) => [(Parsed("""[{"Tokens": [1, 2], "Bias": -3.5}]"""), new TokenBias[] { new([1, 2], -3.5) })],
            _ when own == typeof(IReadOnlyList<ParameterGroup>) => [(Parsed("""[{"Name": "fast", "Pattern": "lora_B", "LearningRateScale": 16}]"""), new ParameterGroup[] { new("fast") { Pattern = "lora_B", LearningRateScale = 16 } })],
            _ when own == typeof(IReadOnlyList<AdapterOptions>) => [(Parsed("""["IA3", "{\"peft_type\": \"LORA\", \"r\": 4}"]"""), new AdapterOptions[] { new Ia3Options(), new LoraOptions { Rank = 4 } })],
            _ when own == typeof(IReadOnlyDictionary<string, int>) => [(Parsed("""{"q_proj": 4, "v_proj": 2}"""), new Dictionary<string, int> { ["q_proj"] = 4, ["v_proj"] = 2 })],
            _ when own == typeof(IReadOnlyDictionary<string, double>) => [(Parsed("""{"q_proj": 0.5}"""), new Dictionary<string, double> { ["q_proj"] = 0.5 })],
            _ when own == typeof(IReadOnlyDictionary<string, string>) => [(Parsed("""{"a": "b"}"""), new Dictionary<string, string> { ["a"] = "b" })],
            _ when own == typeof(IReadOnlyDictionary<string, JsonElement>) => [(Parsed("""{"revision": "main", "use_fast": true}"""), JsonSerializer.Deserialize<Dictionary<string, JsonElement>>("""{"revision": "main", "use_fast": true}"""))],
            _ when own == typeof(IReadOnlyDictionary<string, IReadOnlyList<bool>>) => [(Parsed("""{"q_proj": [true, false]}"""), new Dictionary<string, IReadOnlyList<bool>> { ["q_proj"] = [true, false] })],
            _ when Records.Contains(own) => Inside(own),
            _ => throw new InvalidOperationException($"This test has no sample for {own}: how does a settings file write it?"),
        };
        foreach (var sample in samples.Where(sample => Text(sample.Value) != Text(before))) yield return sample;
    }

    // A record in a record: with its first field changed.
    private static (JsonNode? Json, object? Value)[] Inside(Type record)
    {
        var field = Fields(record).First();
        var (json, value) = Samples(field.PropertyType, field.GetValue(Activator.CreateInstance(record))).First();
        var changed = Activator.CreateInstance(record)!;
        field.SetValue(changed, value);
        return [(new JsonObject { [field.Name] = json }, changed)];
    }

    private static JsonNode? Parsed(string text) => JsonNode.Parse(text);

    private static string Text(object? value) => value switch
    {
        null => "null",
        Device or LearningRateSchedule or QuantizationOptions or ParameterGroup or ModuleSelector or LengthDecay => value.ToString()!,
        IEnumerable<ParameterGroup> groups => string.Join(", ", groups),
        IEnumerable<AdapterOptions> parts => string.Join(", ", parts.Select(AdapterConfig.Write)),
        AdapterOptions options => AdapterConfig.Write(options),
        _ when Records.Contains(value.GetType()) => string.Join(", ", Fields(value.GetType()).Select(field => $"{field.Name}: {Text(field.GetValue(value))}")),
        _ => JsonSerializer.Serialize(value, value.GetType()),
    };
}
