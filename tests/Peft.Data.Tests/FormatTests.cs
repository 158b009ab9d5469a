using System.IO.Compression;
using System.Text;
using Parquet.Serialization;

namespace Peft.Data.Tests;

public sealed class FormatTests : DatasetTest
{
    private static readonly string[] FromArrow =
    [
        """{"text":"Row 0: é 😀","label":0,"score":0,"tags":[],"messages":[{"role":"user","content":"0.0"}]}""",
        """{"text":"Row 1: é 😀","label":1,"score":0.25,"tags":[10],"messages":[{"role":"user","content":"1.0"},{"role":"assistant","content":"1.1"}]}""",
        """{"text":"Row 2: é 😀","label":0,"score":0.5,"tags":[20,21],"messages":[{"role":"user","content":"2.0"}]}""",
        """{"text":null,"label":1,"score":0.75,"tags":[],"messages":[{"role":"user","content":"3.0"},{"role":"assistant","content":"3.1"}]}""",
        """{"text":"Row 4: é 😀","label":0,"score":1,"tags":[40],"messages":[{"role":"user","content":"4.0"}]}""",
        """{"text":"Row 5: é 😀","label":1,"score":1.25,"tags":[50,51],"messages":[{"role":"user","content":"5.0"},{"role":"assistant","content":"5.1"}]}""",
        """{"text":"Row 6: é 😀","label":0,"score":1.5,"tags":[],"messages":[{"role":"user","content":"6.0"}]}""",
    ];

    // The serializer escapes what is beyond U+FFFF.
    private static IEnumerable<string> Expected => FromArrow.Select(row => row.Replace("😀", "\\uD83D\\uDE00", StringComparison.Ordinal));

    [Fact]
    public void A_text_file_has_a_row_a_line()
    {
        var data = Dataset.Load(Folder.Write("a.txt", "one\n\ntwo\r\n  \nthree"));
        Texts(data).ShouldBe(["one", "two", "three"]);
        data.Last().Place.ShouldEndWith("a.txt, line 5");
        data.Format.ShouldBe(DatasetFormat.Text);
    }

    [Fact]
    public void A_text_file_is_divided_into_paragraphs_or_not_at_all()
    {
        var path = Folder.Write("a.txt", "\none\ntwo\n\n\nthree\n");
        Texts(Dataset.Load(path, new() { TextUnit = TextUnit.Paragraph })).ShouldBe(["one\ntwo", "three"]);
        Texts(Dataset.Load(path, new() { TextUnit = TextUnit.Document })).ShouldBe(["\none\ntwo\n\n\nthree\n"]);
    }

    [Theory]
    [InlineData("a.jsonl", "{\"a\": 1}\n\n{\"a\": 2}\n")]
    [InlineData("a.json", "{\"a\": 1}\n{\"a\": 2}\n")]
    [InlineData("a.json", "  [{\"a\": 1}, {\"a\": 2}]")]
    [InlineData("a.json", "{\"version\": \"1\", \"data\": [{\"a\": 1}, {\"a\": 2}]}")]
    [InlineData("a.JSON", "{\n \"data\": [\n{\"a\": 1}, {\"a\": 2}]}")]
    public void Json_is_lines_a_list_or_a_field(string name, string text) => Json(Dataset.Load(Folder.Write(name, text))).ShouldBe(["{\"a\":1}", "{\"a\":2}"]);

    [Fact]
    public void The_field_with_the_rows_can_be_named()
    {
        var path = Folder.Write("a.json", "{\"train\": [{\"a\": 1}], \"other\": [{\"a\": 2}]}");
        Json(Dataset.Load(path, new() { JsonField = "other" })).ShouldBe(["{\"a\":2}"]);
        Should.Throw<DatasetException>(() => Json(Dataset.Load(path))).Message.ShouldContain("the lists train, other");
        Should.Throw<DatasetException>(() => Json(Dataset.Load(path, new() { JsonField = "no" }))).Message.ShouldContain("no list \"no\"");
    }

    [Fact]
    public void Separated_values_are_texts()
    {
        Json(Dataset.Load(Folder.Write("a.csv", "text,n\n\"a, \"\"b\"\"\nc\",1\nd,2\n"))).ShouldBe(["{\"text\":\"a, \\\"b\\\"\\nc\",\"n\":\"1\"}", "{\"text\":\"d\",\"n\":\"2\"}"]);
        Json(Dataset.Load(Folder.Write("a.tsv", "text\tn\n\"a\t1\n"))).ShouldBe(["{\"text\":\"\\\"a\",\"n\":\"1\"}"]);
    }

    [Fact]
    public void Text_formats_may_be_compressed()
    {
        using (var stream = new GZipStream(File.Create(Folder["a.jsonl.gz"]), CompressionLevel.Fastest)) stream.Write("{\"text\": \"x\"}\n"u8);
        Texts(Dataset.Load(Folder["a.jsonl.gz"])).ShouldBe(["x"]);
    }

    /// <summary>The files were written by Apache Arrow's C++ writer, as Hugging Face's datasets uses it: nullable columns, lists and structs, two row groups or batches.</summary>
    [Theory]
    [InlineData("arrow-writer.parquet")]
    [InlineData("stream.arrow")]
    public void Files_of_Arrows_writers_are_read(string name)
    {
        var data = Dataset.Load(Sample(name));
        Json(data).ShouldBe(Expected);
        data.Select(row => row.Place).Last().ShouldEndWith($"{name}, row 6 (counted from 0)");
        Json(data).ShouldBe(Expected, "a second enumeration");
    }

    [Fact]
    public async Task Parquet_of_many_row_groups_is_read_a_group_at_a_time()
    {
        var path = Folder["a.parquet"];
        await ParquetSerializer.SerializeAsync(Enumerable.Range(0, 1000).Select(i => new Sample1 { Text = $"t{i}", When = new(2024, 1, 2, 3, 4, 5, DateTimeKind.Utc), Bytes = [1, 2], Number = i == 1 ? double.NaN : i }), path, new() { RowGroupSize = 100 });
        var data = Dataset.Load(path);
        Texts(data, "Text").ShouldBe(Enumerable.Range(0, 1000).Select(i => $"t{i}"));
        var first = data.First().Fields;
        first["Bytes"]!.GetValue<string>().ShouldBe("AQI=");
        first["When"]!.GetValue<string>().ShouldStartWith("2024-01-02T03:04:05");
        data.Skip(1).First().Fields["Number"].ShouldBeNull("JSON has no NaN");
    }

    [Theory]
    [InlineData("a.jsonl", "{\"a\": 1}\n{\"a\": }\n", "a.jsonl, line 2: not valid JSON")]
    [InlineData("a.jsonl", "{\"a\": 1, \"a\": 2}\n", "a.jsonl, line 1: not valid JSON")]
    [InlineData("a.jsonl", "[1]\n", "a.jsonl, line 1: expected a JSON object, but found an array")]
    [InlineData("a.json", "[{\"a\": 1}, 3]", "row 1 (counted from 0): expected a JSON object, but found 3")]
    [InlineData("a.json", "[{\"a\": 1}, {", "row 1 (counted from 0): not valid JSON")]
    [InlineData("a.csv", "text,n\na,1\nb,\"2\n", "line 3: a quote is opened and not closed")]
    [InlineData("a.csv", "text,n\na\n", "not a table of separated values")]
    [InlineData("a.parquet", "PAR1 but no Parquet", "not a Parquet file")]
    [InlineData("a.arrow", "no Arrow file, but long enough to be one", "not an Arrow file")]
    [InlineData("a.jsonl.gz", "not compressed", "a.jsonl.gz is damaged")]
    [InlineData("a.docx", "x", "The format of ")]
    [InlineData("a.parquet.gz", "x", "The format of ")]
    public void What_cannot_be_read_is_refused_with_its_place(string name, string text, string message)
        => Should.Throw<DatasetException>(() => Json(Dataset.Load(Folder.Write(name, text)))).Message.ShouldContain(message);

    [Theory]
    [InlineData("a.txt", "f\u00fcr")]
    [InlineData("a.csv", "text,n\nf\u00fcr,1\n")]
    [InlineData("a.tsv", "text\tn\nf\u00fcr\t1\n")]
    [InlineData("a.jsonl", "{\"text\": \"f\u00fcr\"}")]
    [InlineData("a.json", "[{\"text\": \"f\u00fcr\"}]")]
    [InlineData("a.json", "{\"data\": [{\"text\": \"f\u00fcr\"}]}")]
    public void Text_must_be_UTF8(string name, string text)
    {
        Should.Throw<DatasetException>(() => Json(Dataset.Load(Folder.Write(name, Encoding.Latin1.GetBytes(text))))).Message.ShouldContain("UTF-8");
        Json(Dataset.Load(Folder.Write(name, [.. Encoding.UTF8.GetPreamble(), .. Encoding.UTF8.GetBytes(text)]))).Single().ShouldStartWith("{\"text\":\"f\u00fcr\"", Case.Sensitive, "with a byte order mark");
    }

    [Fact]
    public void Damaged_files_end_in_the_one_exception()
    {
        foreach (var name in new[] { "arrow-writer.parquet", "stream.arrow" })
        {
            var whole = File.ReadAllBytes(Sample(name));
            var random = new Random(7);
            for (var i = 0; i < 200; i++)
            {
                var damaged = whole[..(i % 2 == 0 ? whole.Length : random.Next(whole.Length))].ToArray();
                for (var k = 0; k < 1 + (i % 4) && damaged.Length > 0; k++) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
                var path = Folder.Write(name, damaged);
                try
                {
                    Json(Dataset.Load(path)).Count.ShouldBeLessThan(1000);
                }
                catch (DatasetException error)
                {
                    error.Message.ShouldContain(name);
                }
            }
        }
    }

    private sealed class Sample1
    {
        public string Text { get; set; } = "";

        public DateTime When { get; set; }

        public byte[] Bytes { get; set; } = [];

        public double Number { get; set; }
    }
}
