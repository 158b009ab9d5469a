using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using static Peft.Behaviour.Tests.SmallModel;

namespace Peft.Behaviour.Tests;

/// <summary>What others wrote into <c>adapter_config.json</c> ends in the adapter or in a named error, whatever the method.</summary>
[Collection(Alone.Name)]   // it measures the memory of the whole process
public sealed class HostileConfigTests : BehaviourTests
{
    private const int Rounds = 40;

    [Theory, MemberData(nameof(EveryMethod))]
    public void A_damaged_configuration_is_read_or_refused_by_name_soon_and_within_a_gigabyte(string method)
    {
        using (var made = Create())
        using (var saved = made.Adapt(method)) saved.SaveAdapter(Folder);
        var path = Path.Combine(Folder, AdapterConfig.FileName);
        var good = File.ReadAllBytes(path);
        using var model = Create();
        using var peft = new PeftModel(model);
        Sample.Of(method).Prepare(peft);
        var random = new Random(20260101);
        var (read, refused) = (0, 0);
        ResetPeak();
        var memory = Peak();
        for (var i = 0; i < Rounds; i++)
        {
            var content = JsonMutator.Damage(good, random);
            File.WriteAllBytes(path, content);
            var start = Stopwatch.GetTimestamp();
            try
            {
                peft.LoadAdapter(Folder, "damaged");
                peft.Delete("damaged");
                read++;
            }
            catch (PeftException)
            {
                peft.Adapters.ContainsKey("damaged").ShouldBeFalse();
                refused++;
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"Round {i}: {error.GetType().Name} for {Encoding.UTF8.GetString(content[..Math.Min(content.Length, 3000)])}", error);
            }
            Stopwatch.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromMinutes(1), $"round {i}");
        }
        (Peak() - memory).ShouldBeLessThan(1L << 20, "kilobytes");
        // A mutator that only ever breaks, or never breaks, a file would test nothing.
        read.ShouldBeGreaterThan(0);
        refused.ShouldBeGreaterThan(0);
    }

    public static TheoryData<string> MethodsWithWholeNumbers => [.. Sample.Methods.Where(method => WholeNumbers(AdapterConfig.Write(Sample.Of(method).Options)).Length > 0)];

    private static string[] WholeNumbers(string json)
        => [.. JsonNode.Parse(json)!.AsObject().Where(field => field.Value is JsonValue value && value.GetValueKind() == JsonValueKind.Number && !value.ToJsonString().Contains('.', StringComparison.Ordinal)).Select(field => field.Key)];

    [Theory, MemberData(nameof(MethodsWithWholeNumbers))]
    public void A_whole_number_that_is_huge_takes_no_gigabyte_whatever_its_field(string method)
    {
        using (var made = Create())
        using (var saved = made.Adapt(method)) saved.SaveAdapter(Folder);
        var path = Path.Combine(Folder, AdapterConfig.FileName);
        var good = JsonNode.Parse(File.ReadAllText(path))!.AsObject();
        using var model = Create();
        using var peft = new PeftModel(model);
        Sample.Of(method).Prepare(peft);
        var fields = WholeNumbers(good.ToJsonString());
        fields.ShouldNotBeEmpty();
        foreach (var field in fields)
        {
            foreach (var huge in new[] { 2_000_000_000, 30_000_000, -1, 0 })
            {
                var changed = good.DeepClone();
                changed[field] = huge;
                File.WriteAllText(path, changed.ToJsonString());
                ResetPeak();
                var (memory, start) = (Peak(), Stopwatch.GetTimestamp());
                try
                {
                    peft.LoadAdapter(Folder, "damaged");
                    peft.Delete("damaged");
                }
                catch (PeftException)
                {
                    peft.Adapters.ContainsKey("damaged").ShouldBeFalse();
                }
                (Peak() - memory).ShouldBeLessThan(1L << 20, $"kilobytes for {field} {huge}");
                Stopwatch.GetElapsedTime(start).ShouldBeLessThan(TimeSpan.FromMinutes(1), $"{field} {huge}");
            }
        }
    }

    [Theory]
    [InlineData(2_000_000_000)]
    [InlineData(30_000_000)]
    public void A_rank_whose_tensors_cannot_be_had_is_refused_before_they_are_made(int rank)
    {
        using var model = Create();
        using (var saved = model.ApplyLora(rank: 2)) saved.SaveAdapter(Folder);
        var path = Path.Combine(Folder, AdapterConfig.FileName);
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"r\": 2,", $"\"r\": {rank},", StringComparison.Ordinal));
        ResetPeak();
        var memory = Peak();
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(Folder)).Message.ShouldContain($"{rank}, 32");
        (Peak() - memory).ShouldBeLessThan(1L << 18, "kilobytes");
        PeftModel.Of(model).ShouldBeNull();
    }

    [Fact]
    public void A_rank_beyond_the_machine_is_refused_where_a_program_asks_for_it_too()
    {
        using var model = Create();
        Should.Throw<AdapterOptionsException>(() => model.ApplyLora(rank: 2_000_000_000)).Message.ShouldContain("2000000000");
        PeftModel.Of(model).ShouldBeNull();
    }

    [Theory]
    [InlineData("""{"peft_type":"LORA","peft_type":"LORA"}""", "peft_type")]
    [InlineData("""{"peft_type":"LORA","r":4294967297}""", "r")]
    [InlineData("""{"peft_type":"LORA","lora_alpha":1e400}""", "lora_alpha")]
    [InlineData("""{"peft_type":"LORA","target_modules":[null]}""", "target_modules")]
    [InlineData("""{"peft_type":"LORA","modules_to_save":["a",null]}""", "modules_to_save")]
    [InlineData("""{"peft_type":"LORA","r":null}""", "r")]
    [InlineData("""{"peft_type":"LORA","revision":"\ud800"}""", "revision")]
    [InlineData("""{"peft_type":"LORA","unknown":{"x":["\udc00"]}}""", "unknown.x[0]")]
    [InlineData("""{"peft_type":"LORA","rank_pattern":{"a":1,"a":2}}""", "a")]
    [InlineData("""{"peft_type":null}""", "peft_type")]
    [InlineData("""[]""", "peft_type")]
    [InlineData("null", "peft_type")]
    [InlineData("", "adapter_config.json")]
    public void What_no_reader_can_take_is_refused_by_the_name_of_its_field(string json, string field)
    {
        File.WriteAllText(Path.Combine(Folder, AdapterConfig.FileName), json);
        var error = Should.Throw<CheckpointException>(() => AdapterConfig.Read(Folder));
        error.Message.ShouldContain(Path.Combine(Folder, AdapterConfig.FileName));
        error.Message.ShouldContain(field);
    }

    [Fact]
    public void A_null_where_there_is_none_means_as_usual()
        => ((LoraOptions)AdapterConfig.Parse("""{"peft_type":"LORA","rank_pattern":null,"bias":null,"target_modules":null}""")).ShouldSatisfyAllConditions(
            options => options.RankPattern.ShouldBeEmpty(), options => options.Bias.ShouldBe("none"), options => options.TargetModules.ShouldBeNull());

    [Fact]
    public void A_pattern_that_takes_for_ever_ends_in_an_error()
    {
        using var model = Create();
        Should.Throw<AdapterOptionsException>(() => model.ApplyLora(targets: @"((.+)+)+!")).Message.ShouldContain("takes too long");
    }

    [Theory]
    [InlineData("../evil")]
    [InlineData("/tmp")]
    public void Experts_whose_names_lead_out_of_the_folder_are_refused(string name)
    {
        using var model = Create();
        Should.Throw<AdapterOptionsException>(() => model.ApplyAdapter(new XLoraOptions { Adapters = new Dictionary<string, string> { [name] = Folder } })).Message.ShouldContain(name);
    }

    // Linux keeps the most memory that a process ever had, and forgets it on request.
    private static void ResetPeak()
    {
        if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5");
    }

    private static long Peak()
        => OperatingSystem.IsLinux() ? long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture) : 0;
}
