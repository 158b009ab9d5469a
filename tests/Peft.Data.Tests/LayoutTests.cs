using Peft.Hub.Tests;

namespace Peft.Data.Tests;

public sealed class LayoutTests : DatasetTest
{
    [Theory]
    [InlineData("train.jsonl", "train")]
    [InlineData("my-dev-set.jsonl", "validation")]
    [InlineData("data/train-00000-of-00002.jsonl", "train")]
    [InlineData("data/extra-00001-of-00002-0123456789abcdef.jsonl", "extra")]
    [InlineData("test/part1.jsonl", "test")]
    [InlineData("eval.jsonl", "test")]
    [InlineData("nothing.jsonl", "train")]
    [InlineData("contest.jsonl", "train")]
    public void The_name_of_a_file_tells_its_split(string name, string split)
    {
        Folder.Write(name, "{\"text\": \"x\"}\n");
        Folder.Write("dataset_info.json", "{}");
        Folder.Write(".cache/train.jsonl", "{\"text\": \"hidden\"}\n");
        Dataset.Splits(Folder).ShouldBe([split]);
        Texts(Dataset.Load(Folder, new() { Split = split })).ShouldBe(["x"]);
    }

    [Fact]
    public void Shards_are_read_in_order_and_other_formats_are_not()
    {
        Folder.Write("data/train-00001-of-00002.jsonl", "{\"text\": \"second\"}\n");
        Folder.Write("data/train-00000-of-00002.jsonl", "{\"text\": \"first\"}\n");
        Folder.Write("train.csv", "text\nother\n");
        Texts(Dataset.Load(Folder)).ShouldBe(["first", "second"]);
    }

    [Fact]
    public void A_split_has_several_names()
    {
        Folder.Write("valid.txt", "v\n");
        foreach (var name in new[] { "dev", "valid", "val", "validation" }) Texts(Dataset.Load(Folder, new() { Split = name })).ShouldBe(["v"]);
        Should.Throw<DatasetException>(() => Dataset.Load(Folder)).Message.ShouldContain("no split \"train\". Splits found: validation");
    }

    [Fact]
    public void Files_can_be_chosen_by_patterns()
    {
        foreach (var name in new[] { "a/1.txt", "a/2.txt", "b/1.txt" }) Folder.Write(name, name);
        Texts(Dataset.Load(Folder, new() { Files = ["a/*.txt"] })).ShouldBe(["a/1.txt", "a/2.txt"]);
        Texts(Dataset.Load($"{Folder.Path}/**/1.txt")).ShouldBe(["a/1.txt", "b/1.txt"]);
        Should.Throw<DatasetException>(() => Dataset.Load(Folder, new() { Files = ["c/*"] })).Message.ShouldContain("No file of ");
        Should.Throw<DatasetException>(() => Dataset.Load($"{Folder.Path}/c/*.txt")).Message.ShouldContain("No file matches");
    }

    [Fact]
    public void The_card_tells_configurations_and_splits()
    {
        foreach (var name in new[] { "main/train.jsonl", "main/test.jsonl", "socratic/x-1.jsonl", "socratic/x-2.jsonl" }) Folder.Write(name, $"{{\"text\": \"{name}\"}}\n");
        Folder.Write("README.md", """
            ---
            license: mit
            configs:
            - config_name: main
              data_files:
              - split: train
                path: main/train*
              - split: test
                path:
                - main/test.jsonl
            - config_name: socratic
              data_files: socratic/*.jsonl
            ---
            # A dataset
            """);
        Dataset.Splits(Folder, new() { Configuration = "main" }).ShouldBe(["train", "test"]);
        Texts(Dataset.Load(Folder, new() { Configuration = "main", Split = "test" })).ShouldBe(["main/test.jsonl"]);
        Texts(Dataset.Load(Folder, new() { Configuration = "socratic" })).ShouldBe(["socratic/x-1.jsonl", "socratic/x-2.jsonl"]);
        Should.Throw<DatasetException>(() => Dataset.Load(Folder)).Message.ShouldContain("several configurations");
        Should.Throw<DatasetException>(() => Dataset.Load(Folder, new() { Configuration = "other" })).Message.ShouldContain("one of main, socratic (");
    }

    [Fact]
    public void Splits_whose_names_mean_the_same_are_told_apart_by_their_names()
    {
        foreach (var name in new[] { "dev", "validation" }) Folder.Write($"{name}.jsonl", $"{{\"text\": \"{name}\"}}\n");
        Folder.Write("README.md", "---\nconfigs:\n- config_name: default\n  data_files:\n  - {split: dev, path: dev.jsonl}\n  - {split: validation, path: validation.jsonl}\n  - {split: test, path: gone.jsonl}\n---\n");
        Dataset.Splits(Folder).ShouldBe(["dev", "validation", "test"]);
        foreach (var name in new[] { "dev", "validation" }) Texts(Dataset.Load(Folder, new() { Split = name })).ShouldBe([name]);
        Texts(Dataset.Load(Folder, new() { Split = "val" })).ShouldBe(["dev"]);
        Should.Throw<DatasetException>(() => Dataset.Load(Folder, new() { Split = "test" })).Message.ShouldContain("matches 'gone.jsonl'");
    }

    [Theory]
    [InlineData("configs: [1]")]
    [InlineData("configs:\n- data_files:\n  - split: train\n")]
    [InlineData("configs: {")]
    public void A_card_that_is_invalid_is_refused(string yaml)
    {
        Folder.Write("train.txt", "x");
        Folder.Write("README.md", $"---\n{yaml}\n---\n");
        Should.Throw<DatasetException>(() => Dataset.Load(Folder)).Message.ShouldContain("README.md");
    }

    [Fact]
    public void What_save_to_disk_wrote_is_loaded()
    {
        Directory.CreateDirectory(Folder["train"]);
        File.Copy(Sample("stream.arrow"), Folder["train/data-00000-of-00001.arrow"]);
        Folder.Write("dataset_dict.json", "{\"splits\": [\"train\"]}");
        Folder.Write("train/state.json", "{}");
        Folder.Write("train/dataset_info.json", "{}");
        Dataset.Load(Folder).Count().ShouldBe(7);
    }

    [Fact]
    public void What_does_not_exist_is_refused()
    {
        Should.Throw<DatasetException>(() => Dataset.Load(Folder["no.jsonl"])).Message.ShouldContain("There is no file or folder");
        Should.Throw<DatasetException>(() => Dataset.Load("train.jsonl")).Message.ShouldContain("There is no file or folder");
        Should.Throw<DatasetException>(() => Dataset.Load(Folder)).Message.ShouldContain("has no data files");
        Should.Throw<DatasetException>(() => Dataset.Splits(Folder["no"])).Message.ShouldContain("There is no file or folder");
    }
}
