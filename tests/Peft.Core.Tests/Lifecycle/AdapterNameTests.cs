using Peft.Checkpoints;
using Peft.Core.Tests.FineTuning;

namespace Peft.Core.Tests.Lifecycle;

/// <summary>Which names adapters may have, and where their folders are found.</summary>
public sealed class AdapterNameTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly Tower model = Tower.Create();

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    public static TheoryData<string> Bad =>
    [
        "", " ", "../../evil", "..", ".", "a/b", "a\\b", "/etc", "C:evil", "a\0b", "a\nb", "\u001b[31m", " a", "a ", "a.", ".hidden", "CON", "nul.txt", "com1", new string('x', 201), new string('é', 101), "a*", "a?", "a|b",
        PeftModel.Base,
    ];

    [Theory, MemberData(nameof(Bad))]
    public void A_name_that_is_no_name_of_a_folder_is_refused_wherever_it_is_given(string name)
    {
        AdapterName.IsValid(name).ShouldBeFalse();
        Should.Throw<AdapterNameException>(() => model.ApplyAdapter(new FullOptions(), name)).Name.ShouldBe(name);
        using var peft = model.ApplyFull();
        peft.SaveAdapter(folder);
        Action[] ways = [() => peft.Add(name, new FullOptions()), () => peft.Rename(PeftModel.DefaultName, name), () => peft.LoadAdapter(folder, name)];
        foreach (var way in ways)
        {
            var message = Should.Throw<AdapterNameException>(way).Message;
            message.ShouldContain("cannot be the name of an adapter: it ");
            message.ShouldContain("my-adapter");
            message.Any(char.IsControl).ShouldBeFalse();
        }
        peft.Adapters.Keys.ShouldBe([PeftModel.DefaultName]);
    }

    [Fact]
    public void Half_a_surrogate_pair_is_no_name()   // and no datum of a theory: the runner writes it as text
        => Should.Throw<AdapterNameException>(() => model.ApplyAdapter(new FullOptions(), "half\ud800"));

    [Theory]
    [InlineData("default")]
    [InlineData("v1.5-beta_2")]
    [InlineData("Übersetzung 日本語")]
    [InlineData("console")]
    public void Other_names_are_saved_and_found_by(string name)
    {
        using (var peft = model.ApplyAdapter(new FullOptions(), name)) peft.SaveAdapter(folder);
        using var again = model.ApplyAdapter(folder, name);
        again.Adapters.Keys.ShouldBe([name]);
    }

    [Fact]
    public void A_named_adapter_is_found_in_the_folder_that_it_was_saved_to()
    {
        using (var peft = model.ApplyAdapter(new FullOptions(), "math")) peft.SaveAdapter(folder);
        File.Exists(Path.Combine(folder, "math", AdapterConfig.FileName)).ShouldBeTrue();
        using (var peft = model.ApplyAdapter(folder)) peft.Adapters.Keys.ShouldBe([PeftModel.DefaultName]);
        AdapterConfig.Read(folder).PeftType.ShouldBe("FULL");
        using (var saved = SavedAdapter.Open(folder)) saved.Folder.ShouldBe(folder["math"]);
    }

    [Fact]
    public void Of_several_the_one_of_the_name_is_found_and_else_all_are_named()
    {
        using (var peft = model.ApplyAdapter(new FullOptions(), "math"))
        {
            peft.SaveAdapter(folder);
            peft.Rename("math", "code");
            peft.SaveAdapter(folder);
        }
        using (var peft = model.ApplyAdapter(folder, "code"))
        {
            var message = Should.Throw<CheckpointException>(() => peft.LoadAdapter(folder, "law")).Message;
            message.ShouldContain(folder["code"]);
            message.ShouldContain(folder["math"]);
        }
    }

    [Fact]
    public void Where_the_folder_has_an_adapter_of_its_own_that_is_loaded_and_the_other_named_in_a_warning()
    {
        using (var peft = model.ApplyFull())
        {
            peft.SaveAdapter(folder);
            peft.Rename(PeftModel.DefaultName, "math");
            peft.SaveAdapter(folder);
        }
        using var again = model.ApplyAdapter(folder, "math");
        again.Find("math").Warnings.ShouldContain(warning => warning.Contains(folder["math"]));
    }

    [Fact]
    public void A_folder_without_an_adapter_says_what_it_holds()
    {
        Should.Throw<CheckpointException>(() => model.ApplyAdapter(folder)).Message.ShouldContain("The folder is empty");
        Should.Throw<CheckpointException>(() => model.ApplyAdapter(folder["none"])).Message.ShouldContain("The folder does not exist either");
        var file = folder["notes"];
        File.WriteAllText(file, "");
        Should.Throw<CheckpointException>(() => model.ApplyAdapter(folder)).Message.ShouldContain("The folder contains: notes");
        Should.Throw<CheckpointException>(() => model.ApplyAdapter(file)).Message.ShouldContain("This is a file");
        Should.Throw<CheckpointException>(() => model.ApplyAdapter(folder[new string('x', 5000)]));
    }

    [Theory]
    [InlineData("adapter_config.json")]
    [InlineData("adapter_model.safetensors")]
    public void A_file_that_is_a_folder_or_leads_nowhere_or_never_ends_is_named(string file)
    {
        using (var peft = model.ApplyFull()) peft.SaveAdapter(folder);
        var path = folder[file];
        File.Delete(path);
        Directory.CreateDirectory(path);
        Should.Throw<CheckpointException>(() => model.ApplyAdapter(folder)).Message.ShouldContain($"{file}: is a folder");
        Directory.Delete(path);
        if (OperatingSystem.IsWindows()) return;
        File.CreateSymbolicLink(path, folder["nowhere"]);
        Should.Throw<CheckpointException>(() => model.ApplyAdapter(folder)).Message.ShouldContain(file);
        foreach (var device in new[] { "/dev/zero", "/proc/self/mem", "/dev/null" }.Where(File.Exists))
        {
            File.Delete(path);
            File.CreateSymbolicLink(path, device);
            Should.Throw<CheckpointException>(() => model.ApplyAdapter(folder)).Message.ShouldContain(file);
        }
    }
}
