namespace OnnxVlm.Evaluation.Programs;

/// <summary>A Python answer and a script that calls it.</summary>
internal static class PythonProgram
{
    private const string Caller = """
        import json
        try:
            import resource
            resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
        except (ImportError, ValueError):
            pass
        with open("task.json", encoding="utf-8") as file:
            task = json.load(file)
        with open("answer.py", encoding="utf-8") as file:
            code = compile(file.read(), "answer.py", "exec")
        namespace = {"__name__": "answer"}
        exec(code, namespace)
        functions = [value for name, value in namespace.items() if callable(value) and (name == task["function"] or task["function"] is None)]
        results = []
        for arguments in task["cases"]:
            try:
                results.append({"value": functions[0](*arguments)})
            except Exception as error:
                results.append({"error": repr(error)})
        text = json.dumps(results, allow_nan=False, default=list)
        with open("results.json", "w", encoding="utf-8") as file:
            file.write(text)
        """;

    /// <summary>Writes the answer and its caller into a folder.</summary>
    /// <param name="code">The answer.</param>
    /// <param name="python">The interpreter.</param>
    /// <param name="folder">Receives both.</param>
    /// <returns>The command that starts it.</returns>
    public static (string FileName, string[] Arguments)? Write(string code, string python, string folder)
    {
        File.WriteAllText(Path.Combine(folder, "answer.py"), code);
        string caller = Path.Combine(folder, "caller.py");
        File.WriteAllText(caller, Caller);
        return (python, ["-I", "-S", "-B", caller]);
    }
}
