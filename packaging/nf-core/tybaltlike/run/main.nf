process TYBALTLIKE_RUN {
    tag "$meta.id"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "${ workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container ?
        'https://depot.galaxyproject.org/singularity/tybalt-like:0.2.0--pyhdfd78af_0':
        'quay.io/biocontainers/tybalt-like:0.2.0--pyhdfd78af_0' }"

    input:
    tuple val(meta), path(matrix), path(samples)

    output:
    tuple val(meta), path("${prefix}")               , emit: run
    tuple val(meta), path("${prefix}/scores.tsv")    , emit: scores
    tuple val(meta), path("${prefix}/latent.tsv.gz") , emit: latent
    tuple val(meta), path("${prefix}/report.html")   , emit: report
    tuple val(meta), path("${prefix}/*_mqc.json")    , emit: multiqc
    tuple val("${task.process}"), val('tybalt-like'), eval("tybalt-like --version"), topic: versions, emit: versions_tybaltlike

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def obs = samples ? "--obs $samples" : ''
    """
    tybalt-like run \\
        --data $matrix \\
        $obs \\
        --out $prefix \\
        --threads $task.cpus \\
        --quiet \\
        $args
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir $prefix
    touch $prefix/scores.tsv $prefix/report.html $prefix/tybalt_like_mqc.json
    echo | gzip > $prefix/latent.tsv.gz
    """
}
